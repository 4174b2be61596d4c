#include "tandem/text/added_tokens.h"

#include <gtest/gtest.h>

#include "tandem/base/error.h"

namespace tandem::text {
namespace {

using Stage = AddedTokens::Stage;

/// "text|<ID>|text": what a split makes of `text`.
std::string split(const AddedTokens& tokens, const std::string& text,
                  std::vector<Range> literal = {}) {
  std::string out;
  for (const auto& part :
       tokens.split(AlignedText::from_bytes(text), Stage::kBeforeNormalization, literal)) {
    if (!out.empty()) out += '|';
    out += part.id ? "<" + std::to_string(*part.id) + ">"
                   : text.substr(part.range.begin, part.range.end - part.range.begin);
  }
  return out;
}

AddedTokens tokens(const std::string& json) {
  static const Vocabulary vocabulary({{"a", 0}, {"known", 7}});
  return AddedTokens(parse_json(json, "test"), vocabulary, nullptr);
}

TEST(AddedTokens, are_numbered_behind_the_model_unless_it_knows_them) {
  const AddedTokens added =
      tokens(R"([{"content": "x", "id": 90}, {"content": "known", "id": 91}, {"content": "y"}])");
  EXPECT_EQ(added.id("x"), 2);
  EXPECT_EQ(added.id("known"), 7);
  EXPECT_EQ(added.id("y"), 3);
  EXPECT_EQ(added.end(), 8);
}

TEST(AddedTokens, match_leftmost_longest) {
  const AddedTokens added =
      tokens(R"([{"content": "ab", "normalized": false}, {"content": "abc", "normalized": false},
                                       {"content": "bcd", "normalized": false}])");
  EXPECT_EQ(split(added, "xabcdx"), "x|<3>|dx");
  EXPECT_EQ(split(added, "abx"), "<2>|x");
}

TEST(AddedTokens, take_white_space_and_respect_words) {
  const AddedTokens added = tokens(R"([{"content": "<l>", "lstrip": true, "special": true},
      {"content": "<r>", "rstrip": true, "special": true}, {"content": "word", "single_word": true, "special": true}])");
  EXPECT_EQ(split(added, "a \u3000<l> b"), "a|<2>| b");
  EXPECT_EQ(split(added, "a <r> \n b"), "a |<3>|b");
  EXPECT_EQ(split(added, "words sword word."), "words sword |<4>|.");
}

TEST(AddedTokens, special_ones_never_match_in_literal_text) {
  const AddedTokens added =
      tokens(R"([{"content": "<s>", "special": true}, {"content": "<t>", "normalized": false},
                                       {"content": "x<s>", "special": true}])");
  EXPECT_EQ(split(added, "<s>a<s>b<s>", {{3, 8}}), "<2>|a<s>b|<2>");
  EXPECT_EQ(split(added, "<s>", {{2, 3}}), "<s>");
  EXPECT_EQ(split(added, "<s>", {{0, 0}, {3, 9}}), "<2>");
  EXPECT_EQ(split(added, "<t>", {{0, 3}}), "<3>");
  // The request's last letter must not swallow the token behind it.
  EXPECT_EQ(split(added, "x<s>", {{0, 1}}), "x|<2>");
}

TEST(AddedTokens, bounds_what_a_file_may_ask_for) {
  EXPECT_THROW(tokens(R"([{"content": ")" + std::string(2000, 'a') + R"("}])"), Error);
  EXPECT_THROW(tokens(R"({"content": "a"})"), Error);
  EXPECT_THROW(tokens(R"([{"content": 1}])"), Error);
  EXPECT_THROW(tokens(R"([{"content": "a", "special": "yes"}])"), Error);
}

}  // namespace
}  // namespace tandem::text
