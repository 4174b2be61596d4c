// Pieces of answers: reasoning, stop strings, whole characters, names of tokens.
#include <gtest/gtest.h>

#include <limits>

#include "tandem/api/answer/choice_assembler.h"
#include "tandem/api/answer/logprobs.h"
#include "tandem/api/answer/token_text.h"
#include "tandem/api/testing/fake_model.h"

namespace tandem::api {
namespace {

using Mode = ReasoningSplitter::Mode;

/// Splits `text` given in pieces of `size` bytes.
ReasoningSplitter::Split split_in(std::size_t size, const std::string& text, Mode mode) {
  ReasoningSplitter splitter(mode);
  ReasoningSplitter::Split all;
  const auto add = [&](const ReasoningSplitter::Split& part) {
    all.content += part.content;
    all.reasoning += part.reasoning;
  };
  for (std::size_t at = 0; at < text.size(); at += size) add(splitter.push(text.substr(at, size)));
  add(splitter.finish());
  return all;
}

void expect_split(const std::string& text, Mode mode, const std::string& reasoning,
                  const std::string& content) {
  for (const std::size_t size : {1, 2, 3, 7, 1000}) {
    const auto split = split_in(size, text, mode);
    EXPECT_EQ(split.reasoning, reasoning) << text << " in pieces of " << size;
    EXPECT_EQ(split.content, content) << text << " in pieces of " << size;
  }
}

TEST(Reasoning, a_leading_think_block_is_taken_out) {
  expect_split("<think>a b</think>c", Mode::kMayBegin, "a b", "c");
  expect_split("\n<think>\n\na\n b\n\n</think>\n\nc\n", Mode::kMayBegin, "a\n b", "c\n");
  expect_split("<think></think>c", Mode::kMayBegin, "", "c");
  expect_split("<think>\n\n</think>\n\nc", Mode::kMayBegin, "", "c");
}

TEST(Reasoning, an_opened_block_begins_inside) {
  expect_split("a</think>b", Mode::kInside, "a", "b");
  expect_split("\na < b </ c </thin </think>b", Mode::kInside, "a < b </ c </thin", "b");
  expect_split("never closed\n", Mode::kInside, "never closed", "");
  expect_split("</think>b", Mode::kInside, "", "b");
}

TEST(Reasoning, other_text_is_content) {
  expect_split("a <think>b</think>", Mode::kMayBegin, "", "a <think>b</think>");
  expect_split("<thing", Mode::kMayBegin, "", "<thing");
  expect_split("<thi", Mode::kMayBegin, "", "<thi");
  expect_split("  a", Mode::kMayBegin, "", "  a");
  expect_split("<think>a</think>b", Mode::kOff, "", "<think>a</think>b");
}

class Assembler : public ::testing::Test {
 protected:
  static engine::TokenEvent token(step::TokenId id) {
    return {.token = step::TokenResult{.id = id}};
  }
  static engine::TokenEvent last(step::TokenId id, bool is_end_token) {
    return {.token = step::TokenResult{.id = id},
            .finish = is_end_token ? engine::FinishReason::kStop : engine::FinishReason::kLength,
            .is_end_token = is_end_token};
  }
  /// The pieces of a text that ends at a limit.
  std::vector<Piece> assemble(const std::string& text, AssemblerOptions options) const {
    ChoiceAssembler assembler(0, tokenizer_, options);
    std::vector<Piece> pieces;
    for (std::size_t i = 0; i < text.size() && !assembler.is_finished(); ++i) {
      const auto id = static_cast<unsigned char>(text[i]);
      pieces.push_back(assembler.push(i + 1 < text.size() ? token(id) : last(id, false)));
    }
    return pieces;
  }
  static std::string content(const std::vector<Piece>& pieces) {
    std::string text;
    for (const Piece& piece : pieces) text += piece.content;
    return text;
  }
  const text::Tokenizer tokenizer_ = testing::byte_tokenizer();
};

TEST_F(Assembler, every_token_is_a_piece_and_characters_stay_whole) {
  const auto pieces = assemble(
      "a\xE2\x82\xAC"
      "b",
      {});
  ASSERT_EQ(pieces.size(), 5u);
  EXPECT_EQ(pieces[1].content + pieces[2].content, "");
  EXPECT_EQ(pieces[3].content, "\xE2\x82\xAC");
  EXPECT_EQ(pieces[4].text_offset, 2);
  EXPECT_STREQ(pieces[4].finish_reason, "length");
  EXPECT_TRUE(pieces[0].is_first);
  EXPECT_FALSE(pieces[1].is_first);
}

TEST_F(Assembler, half_a_character_at_the_end_is_replaced) {
  EXPECT_EQ(content(assemble("a\xE2\x82", {})), "a\xEF\xBF\xBD");
}

TEST_F(Assembler, the_end_token_counts_and_is_no_text) {
  ChoiceAssembler assembler(0, tokenizer_, {});
  assembler.push(token('a'));
  const Piece end = assembler.push(last(testing::kEos, true));
  EXPECT_EQ(end.content, "");
  EXPECT_EQ(end.num_tokens, 2);
  EXPECT_STREQ(end.finish_reason, "stop");
}

TEST_F(Assembler, a_stop_string_ends_the_choice_and_what_was_held_back_comes_out_otherwise) {
  EXPECT_EQ(content(assemble("one END two", {.stop = {"END"}})), "one ");
  EXPECT_EQ(content(assemble("one EN", {.stop = {"END"}})), "one EN");
  EXPECT_EQ(content(assemble("one END two", {.stop = {"END"}, .include_stop_str = true})),
            "one END");
  const auto pieces = assemble("one END", {.stop = {"END"}});
  EXPECT_STREQ(pieces.back().finish_reason,
               "stop");  // although the limit was reached with the same token
  EXPECT_EQ(std::get<std::string>(pieces.back().stop_reason), "END");
}

TEST_F(Assembler, stop_strings_are_not_looked_for_before_min_tokens) {
  EXPECT_EQ(content(assemble("END and END", {.stop = {"END"}, .min_tokens = 5})), "END and ");
}

TEST_F(Assembler, stop_strings_end_reasoning_too) {
  const auto pieces =
      assemble("think STOP</think>x", {.stop = {"STOP"}, .reasoning = Mode::kInside});
  std::string reasoning;
  for (const Piece& piece : pieces) reasoning += piece.reasoning;
  EXPECT_EQ(reasoning, "think");
  EXPECT_EQ(content(pieces), "");
}

TEST_F(Assembler, an_event_without_a_token_ends_the_choice) {
  ChoiceAssembler assembler(0, tokenizer_, {});
  assembler.push(token(0xC3));
  const Piece end = assembler.push({.finish = engine::FinishReason::kLength});
  EXPECT_FALSE(end.token);
  EXPECT_EQ(end.content, "\xEF\xBF\xBD");
  EXPECT_STREQ(end.finish_reason, "length");
}

TEST_F(Assembler, tokens_have_true_bytes_and_distinct_names) {
  const TokenText text(tokenizer_);
  EXPECT_EQ(text.bytes('a'), "a");
  EXPECT_EQ(text.bytes(' '), " ");
  EXPECT_EQ(text.bytes(0xC3), "\xC3");
  EXPECT_EQ(text.bytes(testing::kEos), "</s>");
  EXPECT_EQ(printable("a\xC3"), "a\xEF\xBF\xBD");
  EXPECT_EQ(legacy_name("\xC3"), "bytes:\\xc3");
  EXPECT_EQ(legacy_name("\xC3\xB6"), "\xC3\xB6");
}

TEST(Logprobs, infinity_is_clamped) {
  EXPECT_EQ(finite_logprob(-std::numeric_limits<float>::infinity()), -9999.0);
  EXPECT_EQ(finite_logprob(std::numeric_limits<float>::quiet_NaN()), -9999.0);
  EXPECT_EQ(finite_logprob(-0.5f), -0.5);
}

}  // namespace
}  // namespace tandem::api
