#include "tandem/text/tokenizer_json.h"

#include <gtest/gtest.h>

#include "tandem/base/error.h"

namespace tandem::text {
namespace {

void expect_refused(const std::string& bytes, const std::string& reason) {
  try {
    read_tokenizer_json(bytes);
    FAIL() << "accepted " << bytes.substr(0, 80);
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::kCorrupt);
    EXPECT_NE(std::string(e.what()).find(reason), std::string::npos) << e.what();
  }
}

TEST(ReadTokenizerJson, takes_vocabulary_and_merges_out_of_the_tree) {
  const TokenizerJson file = read_tokenizer_json(
      R"({"model": {"type": "BPE", "merges": ["#version: 0.2", "a b", ["c d", "e"]], "vocab": {"b": 1, "a": 0}},
          "vocab": {"kept": 1}})");
  EXPECT_EQ(file.vocab, (std::vector<std::pair<std::string, TokenId>>{{"b", 1}, {"a", 0}}));
  EXPECT_EQ(file.merges,
            (std::vector<std::pair<std::string, std::string>>{{"a", "b"}, {"c d", "e"}}));
  EXPECT_EQ(file.fields.at("model").size(), 1u);
  EXPECT_EQ(file.fields.at("vocab").at("kept").get<int>(), 1);
}

TEST(ReadTokenizerJson, drops_a_vocabulary_of_another_kind) {
  const TokenizerJson file =
      read_tokenizer_json(R"({"model": {"type": "Unigram", "vocab": [["a", -1.5], ["b", [{}]]]}})");
  EXPECT_TRUE(file.vocab.empty());
  EXPECT_EQ(file.fields.at("model").at("type").get<std::string>(), "Unigram");
}

TEST(ReadTokenizerJson, refuses_broken_files_with_the_reason) {
  const std::string nested = std::string(100, '[') + std::string(100, ']');
  const std::string closed = "{\"a\":" + nested + "}";
  expect_refused("", "not valid JSON at byte");
  expect_refused("[]", "must be an object");
  expect_refused("{\"a\": \"\xFF\"}", "not valid JSON");
  expect_refused(R"({"a": "\ud800"})", "not valid JSON");
  expect_refused(closed, "nested deeper than 64");
  expect_refused(R"({"model": {"vocab": {"a": -1}}})", "the id of \"a\"");
  expect_refused(R"({"model": {"vocab": {"a": 4194304}}})", "the id of \"a\"");
  expect_refused(R"({"model": {"vocab": {"a": 18446744073709551615}}})", "the id of \"a\"");
  expect_refused(R"({"model": {"vocab": {"a": 99999999999999999999999}}})", "not a whole number");
  expect_refused(R"({"model": {"vocab": {"a": 1.5}}})", "not a whole number");
  expect_refused(R"({"model": {"vocab": {"a": {}}}})", "not a whole number");
  expect_refused(R"({"model": {"vocab": {"a": null}}})", "not a whole number");
  expect_refused(R"({"model": {"merges": ["a"]}})", "entry 0");
  expect_refused(R"({"model": {"merges": ["a b c"]}})", "entry 0");
  expect_refused(R"({"model": {"merges": [["a"]]}})", "not a pair");
  expect_refused(R"({"model": {"merges": [["a", "b", "c"]]}})", "not a pair");
  expect_refused(R"({"model": {"merges": [["a", ["b"]]]}})", "not text");
  expect_refused(R"({"model": {"merges": [1]}})", "not text");
  expect_refused(R"({"model": {"merges": [{}]}})", "not text");
}

TEST(ReadTokenizerJson, bounds_keys_and_values) {
  std::string keys = "{\"a\": {", values = "{\"a\": [0";
  for (int i = 0; i < 2000; ++i) keys += (i ? ",\"" : "\"") + std::to_string(i) + "\":0";
  for (int i = 0; i < 1 << 20; ++i) values += ",0";
  expect_refused(keys + "}}", "more than 1024 keys");
  expect_refused(values + "]}", "more than 1048576 values");
  expect_refused("{\"" + std::string(1 << 17, 'k') + "\": 0}", "a key of 131072 bytes");
}

}  // namespace
}  // namespace tandem::text
