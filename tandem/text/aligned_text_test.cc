#include "tandem/text/aligned_text.h"

#include <gtest/gtest.h>

#include "tandem/base/error.h"

namespace tandem::text {
namespace {

TEST(AlignedText, shifts_while_nothing_is_rewritten) {
  const AlignedText text = AlignedText::from_bytes("hello").slice(1, 4);
  EXPECT_EQ(text.bytes(), "ell");
  EXPECT_EQ(text.origin(1, 3), (Range{2, 4}));
}

TEST(AlignedText, repairs_invalid_bytes_and_knows_where_they_were) {
  const AlignedText text = AlignedText::from_bytes("a\xFFz");
  EXPECT_EQ(text.bytes(), "a\uFFFDz");
  EXPECT_EQ(text.origin(1, 4), (Range{1, 2}));
  EXPECT_EQ(text.origin(4, 5), (Range{2, 3}));
}

TEST(AlignedText, follows_rewriting_through_slices) {
  const AlignedText text = AlignedText::from_bytes("one two three").slice(4, 13);
  AlignedWriter writer(text);
  writer.keep(0, 3);
  writer.replace(3, 4, "___");
  writer.insert(4, 4, "!");
  writer.keep(4, 9);
  const AlignedText written = writer.finish();
  ASSERT_EQ(written.bytes(), "two___!three");
  EXPECT_EQ(written.origin(3, 6), (Range{7, 8}));
  EXPECT_EQ(written.origin(6, 7), (Range{7, 8}));
  EXPECT_EQ(written.slice(7, 12).origin(0, 5), (Range{8, 13}));
}

TEST(AlignedWriter, refuses_to_grow_without_bound) {
  const AlignedText text = AlignedText::from_bytes("a");
  AlignedWriter writer(text);
  EXPECT_THROW(writer.replace(0, 1, std::string(1 << 20, 'x')), Error);
}

}  // namespace
}  // namespace tandem::text
