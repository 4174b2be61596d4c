#include "tandem/text/unicode.h"

#include <gtest/gtest.h>

#include <ctime>

namespace tandem::text {
namespace {

TEST(StepUtf8, takes_maximal_subparts) {
  using Kind = Utf8Step::Kind;
  const auto expect = [](std::string_view bytes, Kind kind, int length) {
    const Utf8Step step = step_utf8(bytes);
    EXPECT_EQ(step.kind, kind) << bytes.size();
    EXPECT_EQ(step.length, length);
  };
  expect("a\xFF", Kind::kValid, 1);
  expect("\xF0\x9F\x98\x80", Kind::kValid, 4);
  expect("\xF0\x9F\x98", Kind::kIncomplete, 3);
  expect("\xF0\x9F\x98z", Kind::kInvalid, 3);
  expect("\xE0\x80\x80", Kind::kInvalid, 1);      // overlong
  expect("\xED\xA0\x80", Kind::kInvalid, 1);      // a surrogate
  expect("\xF4\x90\x80\x80", Kind::kInvalid, 1);  // past U+10FFFF
  expect("\xC0\xAF", Kind::kInvalid, 1);
  expect("\x80", Kind::kInvalid, 1);
}

TEST(Normalize, composes_and_decomposes) {
  EXPECT_EQ(normalize("e\u0301", NormalForm::kNfc), "\u00e9");
  EXPECT_EQ(normalize("\u00e9", NormalForm::kNfd), "e\u0301");
  EXPECT_EQ(normalize("\ufb01", NormalForm::kNfkc), "fi");
  EXPECT_EQ(normalize("\u1100\u1161", NormalForm::kNfc), "\uac00");
}

TEST(Normalize, orders_marks_stably) {
  EXPECT_EQ(normalize("a\u0301\u0323", NormalForm::kNfd), "a\u0323\u0301");
  EXPECT_EQ(normalize("a\u0301\u0300", NormalForm::kNfd), "a\u0301\u0300");
}

TEST(Normalize, leaves_alone_what_unicode_9_did_not_know) {
  // U+08D3 became a mark below (class 220) in Unicode 11, and would move before U+0301.
  EXPECT_EQ(normalize("a\u0301\u08D3", NormalForm::kNfd), "a\u0301\u08D3");
  EXPECT_EQ(normalize("\uFFFC\u08D3\uFFFC", NormalForm::kNfc), "\uFFFC\u08D3\uFFFC");
}

TEST(Normalize, takes_no_quadratic_time_for_a_run_of_marks) {
  std::string marks;
  while (marks.size() < 1'000'000) marks += "\u0301\u0316";
  const std::clock_t begin = std::clock();
  normalize(marks, NormalForm::kNfc);
  EXPECT_LT(std::clock() - begin, CLOCKS_PER_SEC);
}

TEST(WellKnown, stands_in_with_the_same_length) {
  EXPECT_EQ(well_known(U'a'), U'a');
  EXPECT_NE(well_known(0x2EBF0), char32_t{0x2EBF0});  // Unicode 15.1
  std::string out = "untouched";
  EXPECT_FALSE(to_well_known("h\u00e9", out));
  EXPECT_EQ(out, "untouched");
  const std::string added = "x\U0002EBF0y";
  ASSERT_TRUE(to_well_known(added, out));
  EXPECT_EQ(out.size(), added.size());
  EXPECT_EQ(out.front(), 'x');
  EXPECT_EQ(out.back(), 'y');
}

}  // namespace
}  // namespace tandem::text
