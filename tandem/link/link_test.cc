#include "tandem/link/link.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <random>
#include <thread>

#include "tandem/link/crypto.h"
#include "tandem/link/testing.h"

namespace tandem::link {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class LinkOver : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Transports, LinkOver, ::testing::Values("127.0.0.1", "unix"),
                         [](const auto& info) { return info.param[0] == 'u' ? "unix" : "tcp"; });

TEST_P(LinkOver, carries_frames_both_ways) {
  LinkPair pair = linked_pair(GetParam());
  pair.connecting.send(7, text_bytes("plan"));
  pair.accepting.send(8, text_bytes("result"));
  const Frame plan = receive_soon(pair.accepting), result = receive_soon(pair.connecting);
  EXPECT_EQ(plan.type, 7);
  EXPECT_EQ(plan.payload, text_bytes("plan"));
  EXPECT_EQ(result.type, 8);
  EXPECT_EQ(result.payload, text_bytes("result"));
}

TEST_P(LinkOver, carries_payloads_of_every_size_in_order) {
  LinkPair pair = linked_pair(GetParam());
  const std::vector<std::size_t> sizes{0, 1, 15, 16, 17, 4095, 16'384, 65'537, (256 << 10) - 5, 256 << 10, 5'000'001};
  std::thread sender([&] {
    for (const std::size_t size : sizes) pair.connecting.send(3, patterned_bytes(size));
  });
  for (const std::size_t size : sizes) EXPECT_EQ(receive_soon(pair.accepting).payload, patterned_bytes(size));
  sender.join();
}

TEST(Link, says_who_the_peer_is) {
  LinkPair pair = linked_pair("127.0.0.1");
  EXPECT_EQ(pair.connecting.peer().name, "mini1");
  EXPECT_EQ(pair.accepting.peer().role, Role::kAgent);
  EXPECT_EQ(pair.accepting.peer().tandem_version, this_identity(Role::kAgent).tandem_version);
  EXPECT_EQ(pair.accepting.peer_address(), "127.0.0.1");
  EXPECT_EQ(pair.connecting.local_address(), "127.0.0.1");
}

TEST(Link, sends_a_payload_in_pieces_as_one) {
  LinkPair pair = linked_pair("127.0.0.1");
  const Bytes large = patterned_bytes(700'001);
  Bytes joined = text_bytes("index");
  joined.insert(joined.end(), large.begin(), large.end());
  std::thread sender([&] { pair.connecting.send(65, {text_bytes("index"), Bytes{}, large}); });
  EXPECT_EQ(receive_soon(pair.accepting).payload, joined);
  sender.join();
}

TEST(Link, receives_into_memory_that_is_used_again) {
  LinkPair pair = linked_pair("127.0.0.1");
  pair.connecting.send(1, patterned_bytes(50'000));
  pair.connecting.send(2, patterned_bytes(40'000));
  Frame frame;
  ASSERT_TRUE(pair.accepting.receive(frame, soon()));
  const std::uint8_t* memory = frame.payload.data();
  ASSERT_TRUE(pair.accepting.receive(frame, soon()));
  EXPECT_EQ(frame.payload.data(), memory);
  EXPECT_EQ(frame.type, 2);
  EXPECT_EQ(frame.payload, patterned_bytes(40'000));
}

TEST(Link, returns_nothing_at_the_deadline_and_stays_usable) {
  LinkPair pair = linked_pair("127.0.0.1");
  EXPECT_FALSE(pair.accepting.receive(now() + 20ms).has_value());
  pair.connecting.send(1, text_bytes("late"));
  EXPECT_EQ(receive_soon(pair.accepting).payload, text_bytes("late"));
}

TEST(Link, keeps_frames_of_eight_senders_whole) {
  LinkPair pair = linked_pair("127.0.0.1");
  constexpr std::uint8_t kSenders = 8;
  constexpr std::uint32_t kFrames = 200;
  std::vector<std::thread> senders;
  for (std::uint8_t sender = 0; sender < kSenders; ++sender) {
    senders.emplace_back([&, sender] {
      for (std::uint32_t i = 0; i < kFrames; ++i) {
        ByteWriter frame;
        frame.put(i);
        frame.put_raw(Bytes(i * 37 % 9000, sender));
        pair.connecting.send(sender, frame.take());
      }
    });
  }
  std::array<std::uint32_t, kSenders> next{};
  for (std::uint32_t i = 0; i < kSenders * kFrames; ++i) {
    const Frame frame = receive_soon(pair.accepting);
    ASSERT_LT(frame.type, kSenders);
    ByteReader reader(frame.payload, "frame");
    const auto number = reader.get<std::uint32_t>();
    ASSERT_EQ(number, next[frame.type]++);
    const auto rest = reader.take(number * 37 % 9000);
    ASSERT_TRUE(std::all_of(rest.begin(), rest.end(), [&](std::uint8_t byte) { return byte == frame.type; }));
    reader.expect_end();
  }
  for (std::thread& sender : senders) sender.join();
}

TEST(Link, close_wakes_a_blocked_receive) {
  LinkPair pair = linked_pair("127.0.0.1");
  std::thread closer([&] { pair.accepting.close(); });
  const Error error = error_of([&] { pair.accepting.receive(soon()); });
  closer.join();
  EXPECT_EQ(error.code(), Code::kUnavailable);
  EXPECT_THAT(error.what(), HasSubstr("mini2 (127.0.0.1) was closed on this side"));
  EXPECT_EQ(error_of([&] { pair.accepting.send(1, Bytes{}); }).code(), Code::kUnavailable);
}

TEST(Link, close_wakes_senders_whose_peer_does_not_read) {
  LinkPair pair = linked_pair("127.0.0.1");
  std::atomic<int> num_sent{0};
  std::vector<std::thread> senders;
  std::vector<Error> errors(3, Error(Code::kInternal, ""));
  for (Error& error : errors) {
    senders.emplace_back([&] {
      error = error_of([&] {
        const Bytes payload(1 << 20);
        while (true) {
          pair.connecting.send(1, payload);
          ++num_sent;
        }
      });
    });
  }
  while (pair.connecting.try_send(1, Bytes(64))) std::this_thread::yield();  // until a sender holds on
  pair.connecting.close();
  for (std::thread& sender : senders) sender.join();
  for (const Error& error : errors) EXPECT_EQ(error.code(), Code::kUnavailable);
}

TEST(Link, send_gives_up_on_a_peer_that_takes_nothing) {
  LinkPair pair = linked_pair("127.0.0.1", 200ms);
  const Bytes payload(4 << 20);
  const Error error = error_of([&] {
    while (true) pair.connecting.send(1, payload);
  });
  EXPECT_EQ(error.code(), Code::kUnavailable);
  EXPECT_STREQ(error.what(), "mini1 (127.0.0.1) has taken no data for 0.2 s");
  EXPECT_STREQ(error_of([&] { pair.connecting.receive(soon()); }).what(), error.what());
}

TEST(Link, try_send_does_not_wait_for_a_peer_that_takes_nothing) {
  LinkPair pair = linked_pair("127.0.0.1");
  std::thread blocked([&] {
    EXPECT_THROW(pair.connecting.send(1, Bytes(60 << 20)), Error);
  });
  std::size_t num_sent = 0;
  while (pair.connecting.try_send(1, Bytes(64)) && num_sent < 100'000) ++num_sent;
  EXPECT_LT(num_sent, 100'000u);
  EXPECT_FALSE(pair.connecting.try_send(1, Bytes(64)));
  pair.connecting.close();
  blocked.join();
}

TEST(Link, tells_that_the_peer_closed) {
  LinkPair pair = linked_pair("127.0.0.1");
  pair.connecting.send(1, text_bytes("last words"));
  pair.connecting.close();
  EXPECT_EQ(receive_soon(pair.accepting).payload, text_bytes("last words"));
  const Error error = error_of([&] { pair.accepting.receive(soon()); });
  EXPECT_EQ(error.code(), Code::kUnavailable);
  EXPECT_STREQ(error.what(), "mini2 (127.0.0.1) closed the link");
}

TEST(Link, last_words_arrive_although_the_peer_was_still_sending) {
  LinkPair pair = linked_pair("127.0.0.1");
  for (int i = 0; i < 100; ++i) pair.connecting.send(1, Bytes(1000));  // never read by the other end
  std::thread refuser([&] {
    pair.accepting.send(2, text_bytes("refused: other version"));
    pair.accepting.close_gently(soon());
  });
  EXPECT_EQ(receive_soon(pair.connecting).payload, text_bytes("refused: other version"));
  EXPECT_EQ(error_of([&] { pair.connecting.receive(soon()); }).code(), Code::kUnavailable);
  pair.connecting.close();
  refuser.join();
}

TEST(Link, does_not_send_what_its_own_limit_forbids) {
  LinkPair pair = linked_pair("127.0.0.1");
  EXPECT_EQ(error_of([&] { pair.connecting.send(1, Bytes((64 << 20) + 1)); }).code(), Code::kInternal);
  pair.connecting.send(1, text_bytes("still usable"));
  EXPECT_EQ(receive_soon(pair.accepting).payload, text_bytes("still usable"));
}

TEST(Link, ends_at_a_frame_longer_than_its_type_allows) {
  const auto limit = [](std::uint8_t type) { return std::size_t{type == 5 ? 100u : 0u}; };
  LinkPair pair = linked_pair("127.0.0.1", kSoon, limit);
  pair.connecting.send(5, Bytes(100));
  pair.connecting.send(5, Bytes(101));
  EXPECT_EQ(receive_soon(pair.accepting).payload.size(), 100u);
  const Error error = error_of([&] { pair.accepting.receive(soon()); });
  EXPECT_EQ(error.code(), Code::kCorrupt);
  EXPECT_THAT(error.what(), HasSubstr("frame of type 5 with 101 bytes, its limit is 100"));
  EXPECT_EQ(error_of([&] { pair.accepting.receive(soon()); }).code(), Code::kUnavailable);
}

TEST(Link, ends_at_a_type_that_nobody_knows) {
  const auto limit = [](std::uint8_t type) { return std::size_t{type == 5 ? 100u : 0u}; };
  LinkPair pair = linked_pair("127.0.0.1", kSoon, limit);
  pair.connecting.send(6, Bytes(1));
  EXPECT_EQ(error_of([&] { pair.accepting.receive(soon()); }).code(), Code::kCorrupt);
}

// A wire that a test can touch: one end is a Link, the other is bare bytes with the peer's keys.
class TouchedWire : public ::testing::Test {
 protected:
  TouchedWire() : wire_(make_wire([](std::uint8_t type) { return std::size_t{type == 1 ? 1u << 20 : 0u}; })) {}

  /// The bytes of the next frame, sealed as the peer would.
  Bytes next_frame(std::uint8_t type, const Bytes& payload) {
    ByteWriter frame;
    frame.put(static_cast<std::uint32_t>(payload.size()));
    frame.put(type);
    Bytes bytes = frame.take();
    wire_.sealer.begin(bytes);
    Bytes body = payload;
    wire_.sealer.update(body, body.data());
    const FrameCipher::Tag tag = wire_.sealer.finish_sealing();
    bytes.insert(bytes.end(), body.begin(), body.end());
    bytes.insert(bytes.end(), tag.begin(), tag.end());
    return bytes;
  }
  void put(std::span<const std::uint8_t> bytes) {
    ASSERT_EQ(::send(wire_.bare.get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  }
  Code receive_code() {
    return error_of([&] { wire_.link.receive(soon()); }).code();
  }

  Wire wire_;
};

TEST_F(TouchedWire, opens_honest_frames_that_arrive_byte_by_byte) {
  const Bytes payload = patterned_bytes(1000), frame = next_frame(1, payload);
  for (const std::uint8_t byte : frame) {
    EXPECT_FALSE(wire_.link.receive(now()).has_value());
    put({&byte, 1});
  }
  EXPECT_EQ(receive_soon(wire_.link).payload, payload);
}

TEST_F(TouchedWire, every_changed_byte_ends_the_link) {
  for (std::size_t at = 0; at < 5 + 20 + 16; ++at) {
    wire_ = make_wire([](std::uint8_t) { return std::size_t{20}; });
    Bytes frame = next_frame(1, Bytes(20, 'x'));
    frame[at] ^= 1;
    put(frame);
    ::shutdown(wire_.bare.get(), SHUT_WR);
    // A shorter length asks for fewer bytes and fails at the tag; a longer one is over the limit.
    EXPECT_EQ(receive_code(), Code::kCorrupt) << "byte " << at;
  }
}

TEST_F(TouchedWire, repeated_and_left_out_frames_end_the_link) {
  const Bytes first = next_frame(1, text_bytes("first"));
  put(first);
  EXPECT_EQ(receive_soon(wire_.link).payload, text_bytes("first"));
  put(first);
  EXPECT_EQ(receive_code(), Code::kCorrupt);

  wire_ = make_wire([](std::uint8_t) { return std::size_t{20}; });
  next_frame(1, text_bytes("lost"));
  put(next_frame(1, text_bytes("second")));
  EXPECT_EQ(receive_code(), Code::kCorrupt);
}

TEST_F(TouchedWire, a_frame_sent_back_ends_the_link) {
  wire_.link.send(1, text_bytes("plan"));
  std::array<std::uint8_t, 256> buffer;
  const ssize_t count = ::recv(wire_.bare.get(), buffer.data(), buffer.size(), 0);
  ASSERT_EQ(count, 5 + 4 + 16);
  put({buffer.data(), static_cast<std::size_t>(count)});
  EXPECT_EQ(receive_code(), Code::kCorrupt);
}

TEST_F(TouchedWire, a_length_of_four_gigabytes_allocates_nothing) {
  put(Bytes{0xff, 0xff, 0xff, 0xff, 1});
  EXPECT_EQ(receive_code(), Code::kCorrupt);
}

TEST_F(TouchedWire, a_cut_inside_a_frame_is_told) {
  const Bytes frame = next_frame(1, Bytes(500));
  put(std::span(frame).first(300));
  ::shutdown(wire_.bare.get(), SHUT_WR);
  const Error error = error_of([&] { wire_.link.receive(soon()); });
  EXPECT_EQ(error.code(), Code::kUnavailable);
  EXPECT_THAT(error.what(), HasSubstr("in the middle of a frame"));
}

// Behind a valid handshake, for a bounded time: honest frames with random changes, cuts and repetitions between them. A
// frame that comes out was sealed by the peer, in order; everything else ends the link with a clear error.
TEST_F(TouchedWire, survives_random_mutations) {
  std::mt19937 random(8);
  const auto end = now() + 1500ms;
  std::size_t num_rounds = 0, num_received = 0;
  while (now() < end) {
    wire_ = make_wire([](std::uint8_t) { return std::size_t{4096}; });
    Bytes stream;
    for (int i = 0; i < 4; ++i) {
      const Bytes frame = next_frame(static_cast<std::uint8_t>(i), Bytes(random() % 2000, static_cast<std::uint8_t>(i)));
      stream.insert(stream.end(), frame.begin(), frame.end());
    }
    const std::size_t at = random() % stream.size();
    switch (random() % 3) {
      case 0: stream[at] ^= static_cast<std::uint8_t>(1u << random() % 8); break;
      case 1: stream.erase(stream.begin() + static_cast<std::ptrdiff_t>(at)); break;
      default: stream.insert(stream.begin() + static_cast<std::ptrdiff_t>(at), static_cast<std::uint8_t>(random())); break;
    }
    put(stream);
    ::shutdown(wire_.bare.get(), SHUT_WR);
    const Error error = error_of([&] {
      for (std::uint8_t next = 0;; ++next) {
        const Frame frame = receive_soon(wire_.link);
        EXPECT_EQ(frame.type, next);
        EXPECT_EQ(frame.payload, Bytes(frame.payload.size(), next));
        ++num_received;
      }
    });
    EXPECT_TRUE(error.code() == Code::kCorrupt || error.code() == Code::kUnavailable) << error.what();
    ++num_rounds;
  }
  EXPECT_GT(num_rounds, 100u);
  EXPECT_GT(num_received, 10u);  // what came before the change still opens
}

}  // namespace
}  // namespace tandem::link
