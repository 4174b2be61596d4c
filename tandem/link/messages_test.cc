#include "tandem/link/messages.h"

#include <gtest/gtest.h>

namespace tandem::link {
namespace {

Bytes bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

TEST(Messages, control_messages_survive_the_wire) {
  const Form form{.generation = 7, .rank = 1, .size = 2, .address = "10.0.0.2", .peer_addresses = {"10.0.0.1", "10.0.0.2"}};
  const auto again = decode_message<Form>(encode_message(form));
  EXPECT_EQ(again.generation, 7u);
  EXPECT_EQ(again.peer_addresses, form.peer_addresses);
}

TEST(Messages, absent_fields_keep_their_defaults_and_unknown_ones_are_ignored) {
  EXPECT_EQ(decode_message<Begin>(bytes_of(R"({"generation":3,"later":[1]})")).block_size, 16);
}

TEST(Messages, wrong_types_and_bad_json_are_corrupt) {
  for (const auto* bad : {"", "{", "[]", "3", R"({"generation":"x"})"}) {
    EXPECT_THROW(decode_message<Begin>(bytes_of(bad)), Error) << bad;
  }
}

TEST(Messages, store_entries_are_bounded) {
  const StoreEntry entry{.generation = 1, .key = "k", .value = {1, 2, 3}};
  auto bytes = encode(entry);
  EXPECT_EQ(decode_store_entry(bytes).value, entry.value);
  bytes.pop_back();
  EXPECT_THROW(decode_store_entry(bytes), Error);
}

TEST(Messages, unknown_frame_types_may_carry_nothing) { EXPECT_EQ(max_payload_bytes(200), 0u); }

}  // namespace
}  // namespace tandem::link
