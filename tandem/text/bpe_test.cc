#include "tandem/text/bpe.h"

#include <gtest/gtest.h>

#include "tandem/base/error.h"

namespace tandem::text {
namespace {

using Ids = std::vector<TokenId>;
using Merges = std::vector<std::pair<std::string, std::string>>;

Ids encode(const Vocabulary& vocabulary, const Merges& merges, const BpeOptions& options,
           std::string_view word) {
  Ids ids;
  Bpe(vocabulary, merges, options).encode(word, ids);
  return ids;
}

TEST(Bpe, merges_lowest_rank_first_and_from_the_left) {
  const Vocabulary vocabulary({{"a", 0}, {"b", 1}, {"ab", 2}, {"bb", 3}, {"aa", 4}});
  EXPECT_EQ(encode(vocabulary, {{"b", "b"}, {"a", "b"}}, {}, "abb"), (Ids{0, 3}));
  EXPECT_EQ(encode(vocabulary, {{"a", "b"}, {"b", "b"}}, {}, "abb"), (Ids{2, 1}));
  EXPECT_EQ(encode(vocabulary, {{"a", "a"}}, {}, "aaaaa"), (Ids{4, 4, 0}));
}

TEST(Bpe, what_has_no_token_becomes_bytes_unknown_or_nothing) {
  const Vocabulary vocabulary({{"a", 0}, {"?", 1}, {"<0xC3>", 2}, {"<0xA9>", 3}});
  EXPECT_EQ(encode(vocabulary, {}, {}, "aéa"), (Ids{0, 0}));
  EXPECT_EQ(encode(vocabulary, {}, {.unk_token = "?"}, "aééa"), (Ids{0, 1, 1, 0}));
  EXPECT_EQ(encode(vocabulary, {}, {.unk_token = "?", .fuse_unk = true}, "aééa"), (Ids{0, 1, 0}));
  EXPECT_EQ(encode(vocabulary, {}, {.unk_token = "?", .byte_fallback = true}, "éß"),
            (Ids{2, 3, 1}));
  EXPECT_THROW(encode(vocabulary, {}, {.unk_token = "!"}, "é"), Error);
}

TEST(Bpe, takes_a_whole_word_from_the_vocabulary_when_merges_are_ignored) {
  const Vocabulary vocabulary({{"a", 0}, {"b", 1}, {"aba", 2}});
  EXPECT_EQ(encode(vocabulary, {}, {.ignore_merges = true}, "aba"), (Ids{2}));
  EXPECT_EQ(encode(vocabulary, {}, {}, "aba"), (Ids{0, 1, 0}));
}

TEST(Bpe, ends_when_merges_run_in_circles) {
  // Two spellings share an id, so that a merge makes its own left side again.
  const Vocabulary vocabulary({{"a", 0}, {"aa", 0}});
  EXPECT_EQ(encode(vocabulary, {{"a", "a"}}, {}, std::string(1000, 'a')), (Ids{0}));
}

TEST(Bpe, refuses_merges_outside_of_the_vocabulary) {
  const Vocabulary vocabulary({{"a", 0}, {"b", 1}});
  EXPECT_THROW(Bpe(vocabulary, {{"a", "b"}}, {}), Error);
  EXPECT_THROW(Bpe(vocabulary, {{"a", "c"}}, {}), Error);
  EXPECT_THROW(Bpe(vocabulary, {{"a", ""}}, {}), Error);
}

}  // namespace
}  // namespace tandem::text
