#include "tandem/cluster/generation_store.h"

#include <gtest/gtest.h>

namespace tandem::cluster {
namespace {

TEST(GenerationStore, answers_at_once_what_is_set) {
  GenerationStore store;
  store.begin(1);
  store.set({.generation = 1, .key = "k", .value = {7}});
  const auto payload = store.get({.generation = 1, .key = "k"}, "s1");
  ASSERT_TRUE(payload);
  EXPECT_EQ(link::decode_store_entry(*payload).value, Bytes{7});
}

TEST(GenerationStore, answers_everyone_who_waited) {
  GenerationStore store;
  store.begin(1);
  EXPECT_FALSE(store.get({.generation = 1, .key = "k"}, "s1"));
  EXPECT_FALSE(store.get({.generation = 1, .key = "k"}, "s2"));
  const auto answers = store.set({.generation = 1, .key = "k", .value = {7}});
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_TRUE(store.set({.generation = 1, .key = "k", .value = {8}}).empty()) << "each is answered once";
}

TEST(GenerationStore, other_generations_neither_see_nor_change_anything) {
  GenerationStore store;
  store.begin(2);
  store.set({.generation = 1, .key = "k", .value = {7}});
  EXPECT_FALSE(store.get({.generation = 2, .key = "k"}, "s1"));
  store.set({.generation = 2, .key = "k", .value = {8}});
  store.begin(3);
  EXPECT_FALSE(store.get({.generation = 3, .key = "k"}, "s1"));
}

TEST(GenerationStore, is_bounded) {
  GenerationStore store;
  store.begin(1);
  const auto fill = [&] {
    for (int i = 0; i < 1 << 15; ++i) store.set({.generation = 1, .key = std::to_string(i)});
  };
  EXPECT_THROW(fill(), Error);
}

}  // namespace
}  // namespace tandem::cluster
