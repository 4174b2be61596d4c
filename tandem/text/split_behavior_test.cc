#include "tandem/text/split_behavior.h"

#include <gtest/gtest.h>

#include "tandem/base/error.h"

namespace tandem::text {
namespace {

std::vector<std::string> split(const std::string& text, SplitBehavior behavior) {
  std::vector<Range> dashes;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '-') dashes.push_back({i, i + 1});
  }
  std::vector<std::string> parts;
  for (const Range& r : split_segments(cover(dashes, text.size()), behavior))
    parts.push_back(text.substr(r.begin, r.end - r.begin));
  return parts;
}

TEST(SplitSegments, treats_delimiters_as_each_behavior_says) {
  using Strings = std::vector<std::string>;
  const std::string text = "the-final--countdown";
  EXPECT_EQ(split(text, SplitBehavior::kRemoved), (Strings{"the", "final", "countdown"}));
  EXPECT_EQ(split(text, SplitBehavior::kIsolated),
            (Strings{"the", "-", "final", "-", "-", "countdown"}));
  EXPECT_EQ(split(text, SplitBehavior::kMergedWithPrevious),
            (Strings{"the-", "final-", "-", "countdown"}));
  EXPECT_EQ(split(text, SplitBehavior::kMergedWithNext),
            (Strings{"the", "-final", "-", "-countdown"}));
  EXPECT_EQ(split(text, SplitBehavior::kContiguous),
            (Strings{"the", "-", "final", "--", "countdown"}));
}

TEST(ParseSplitBehavior, refuses_unknown_names) {
  EXPECT_THROW(parse_split_behavior("Sideways", "test"), Error);
}

}  // namespace
}  // namespace tandem::text
