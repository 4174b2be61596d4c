#include "tandem/text/regex.h"

#include <gtest/gtest.h>

#include "tandem/base/error.h"

namespace tandem::text {
namespace {

std::vector<std::string> matches(const Regex& regex, const std::string& subject) {
  std::vector<std::string> found;
  for (const Range& range : regex.find_all(subject))
    found.push_back(subject.substr(range.begin, range.end - range.begin));
  return found;
}

using Strings = std::vector<std::string>;

TEST(Regex, reads_what_ruby_means) {
  const auto find = [](std::string_view pattern, const std::string& subject) {
    return matches(Regex::compile(pattern, "test"), subject);
  };
  EXPECT_EQ(find(R"(\h+)", "xfa9g\t"), (Strings{"fa9"}));
  EXPECT_EQ(find("(?m:a.b)", "a\nb"), (Strings{"a\nb"}));
  EXPECT_EQ(find("a.b", "a\nb"), Strings{});
  EXPECT_EQ(find("^b$", "a\nb\nc"), (Strings{"b"}));
  EXPECT_EQ(find("a{1,2}+", "aaaaa"),
            (Strings{"aaaaa"}));  // possessive elsewhere, repeated in Ruby
  EXPECT_EQ(find("a{,2}b", "aaab"), (Strings{"aab"}));
  EXPECT_EQ(find("a{x}", "a{x}"), (Strings{"a{x}"}));
  EXPECT_EQ(find("[a[b-d]]+", "xabcdy"), (Strings{"abcd"}));
  EXPECT_EQ(find(R"(\bé\b)", "é e\u0301é é"), (Strings{"é", "é"}));
  EXPECT_EQ(find(R"(\p{L}{2})", "añb1cd"), (Strings{"añ", "cd"}));
}

TEST(Regex, finds_empty_matches_once) {
  const std::vector<Range> found = Regex::compile("a*", "test").find_all("aab");
  EXPECT_EQ(found, (std::vector<Range>{{0, 2}, {3, 3}}));
}

TEST(Regex, literal_matches_itself) {
  EXPECT_EQ(matches(Regex::literal("a.b"), "a.ba.b axb"), (Strings{"a.b", "a.b"}));
  EXPECT_EQ(Regex::literal("").find_all("ab").size(), 3u);
}

TEST(Regex, refuses_what_it_cannot_translate) {
  for (const char* pattern : {"(", "[a-z&&[^b]]", "(?~a)", "[^a[^b]]", "\\", "[a", "[\\W]", "*",
                              "\\p{Nonsense}", "\\C"}) {
    EXPECT_THROW(Regex::compile(pattern, "test"), Error) << pattern;
  }
  EXPECT_THROW(Regex::compile(std::string(100'000, '('), "test"), Error);
  EXPECT_THROW(Regex::compile(std::string(1'000, '('), "test"), Error);
}

TEST(Regex, gives_up_on_exponential_backtracking) {
  const Regex regex = Regex::compile("(?:a|a)*[bc]", "test");
  try {
    regex.find_all(std::string(200, 'a'));
    FAIL() << "found an end";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::kResourceExhausted);
    EXPECT_NE(std::string(e.what()).find("(?:a|a)*[bc]"), std::string::npos);
  }
}

TEST(Regex, needs_no_machine_stack_for_long_groups) {
  const std::string subject(1'000'000, 'a');
  EXPECT_EQ(Regex::compile("(?:a|b)+", "test").find_all(subject).size(), 1u);
}

}  // namespace
}  // namespace tandem::text
