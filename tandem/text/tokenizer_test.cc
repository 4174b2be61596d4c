#include "tandem/text/tokenizer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <random>

#include "tandem/base/error.h"
#include "tandem/base/json.h"
#include "tandem/text/byte_alphabet.h"

namespace tandem::text {
namespace {

using Ids = std::vector<TokenId>;

/// A byte-level tokenizer in the manner of Llama 3: all bytes, a few merges, a template, special
/// tokens.
Json byte_level_file() {
  Json vocab = Json::object();
  for (int byte = 0; byte < 256; ++byte)
    vocab[std::string(byte_character(static_cast<char>(byte)))] = byte;
  int next = 256;
  for (const char* token : {"aa", "aaaa", "ĠĠ", "ĠĠĠĠ", "he", "hell", "ll", "hello", "Ġw"})
    vocab[token] = next++;
  const std::string pattern =
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
  Json file;
  file["version"] = "1.0";
  file["added_tokens"] =
      parse_json(R"([{"id": 300, "content": "<s>", "special": true, "normalized": false},
                                        {"id": 301, "content": "<think>", "normalized": false}])",
                 "test");
  file["pre_tokenizer"] = parse_json(R"({"type": "Sequence", "pretokenizers": [
      {"type": "Split", "pattern": {"Regex": ""}, "behavior": "Isolated", "invert": false},
      {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}]})",
                                     "test");
  file["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = pattern;
  file["post_processor"] = parse_json(R"({"type": "TemplateProcessing",
      "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
      "special_tokens": {"<s>": {"id": "<s>", "ids": [265], "tokens": ["<s>"]}}})",
                                      "test");
  file["decoder"] = parse_json(R"({"type": "ByteLevel"})", "test");
  file["model"] = parse_json(
      R"({"type": "BPE", "merges": ["a a", "aa aa", "Ġ Ġ", "ĠĠ ĠĠ", "l l", "h e", "he ll", "hell o", "Ġ w"]})",
      "test");
  file["model"]["vocab"] = std::move(vocab);
  return file;
}

Tokenizer byte_level() { return Tokenizer::parse(dump_json(byte_level_file())); }

TEST(Tokenizer, encodes_and_decodes) {
  const Tokenizer tokenizer = byte_level();
  const Ids ids = tokenizer.encode("hello w<s>");
  EXPECT_EQ(ids, (Ids{265, 263, 264, 265}));
  EXPECT_EQ(tokenizer.encode("hello", {.add_special_tokens = false}), (Ids{263}));
  EXPECT_EQ(tokenizer.decode(ids), "hello w");
  EXPECT_EQ(tokenizer.decode(ids, /*skip_special_tokens=*/false), "<s>hello w<s>");
  EXPECT_EQ(tokenizer.decode(Ids{-1, 263, 1 << 30}), "hello");
}

TEST(Tokenizer, knows_its_tokens) {
  const Tokenizer tokenizer = byte_level();
  EXPECT_EQ(tokenizer.size(), 267);
  EXPECT_EQ(tokenizer.token(264), "Ġw");
  EXPECT_EQ(tokenizer.token(267), std::nullopt);
  EXPECT_EQ(tokenizer.token(-1), std::nullopt);
  EXPECT_EQ(tokenizer.id("<think>"), 266);
  EXPECT_EQ(tokenizer.id("absent"), std::nullopt);
  EXPECT_TRUE(tokenizer.is_special(265));
  EXPECT_FALSE(tokenizer.is_special(266));
}

TEST(Tokenizer, literal_text_holds_no_special_tokens) {
  const Tokenizer tokenizer = byte_level();
  const std::vector<Range> literal = {{3, 6}};
  const Ids ids = tokenizer.encode("<s><s><s>", {.add_special_tokens = false, .literal = literal});
  EXPECT_EQ(ids, (Ids{265, '<', 's', '>', 265}));
}

TEST(Tokenizer, literal_ranges_count_bytes_before_repair) {
  const Tokenizer tokenizer = byte_level();
  // The two invalid bytes become six; the ranges still mean the bytes that were given.
  const std::vector<Range> literal = {{2, 5}};
  const Ids ids =
      tokenizer.encode("\xFF\xFF<s><s>", {.add_special_tokens = false, .literal = literal});
  ASSERT_EQ(ids.size(), 10u);
  EXPECT_EQ(ids.back(), 265);
  EXPECT_EQ(tokenizer.decode(ids, false), "\uFFFD\uFFFD<s><s>");
}

TEST(Tokenizer, one_megabyte_of_one_class_takes_less_than_a_second) {
  const Tokenizer tokenizer = byte_level();
  for (const std::string unit : {"a", "A", " ", "\n", "\t", "1", "!", "你", "é", "\u0301\u0316",
                                 "🎉", "\u3000", "ab ", "'s", "<", "\xFF", "\x01"}) {
    std::string text;
    while (text.size() < 1'000'000) text += unit;
    for (const char* end : {"", "x"}) {
      const std::clock_t begin = std::clock();
      const Ids ids = tokenizer.encode(text + end);
      EXPECT_LT(std::clock() - begin, CLOCKS_PER_SEC) << unit << end;
      EXPECT_GT(ids.size(), 0u);
    }
  }
}

TEST(Detokenizer, joins_to_decode) {
  const Tokenizer tokenizer = byte_level();
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    Ids ids;
    for (int i = 0; i < 30; ++i) ids.push_back(static_cast<TokenId>(random() % 270));
    Detokenizer detokenizer(tokenizer, round % 2 == 0);
    std::string text;
    for (const TokenId id : ids) text += detokenizer.push(id);
    EXPECT_EQ(text + detokenizer.finish(), tokenizer.decode(ids, round % 2 == 0));
  }
}

TEST(Detokenizer, outlives_its_tokenizer) {
  auto tokenizer = std::make_unique<Tokenizer>(byte_level());
  Detokenizer detokenizer(*tokenizer);
  tokenizer.reset();
  EXPECT_EQ(detokenizer.push(263), "hello");
}

/// The file with one change, which must be refused with `code` and a message that has `reason`.
template <typename Change>
void expect_refused(Code code, const std::string& reason, const Change& change) {
  Json file = byte_level_file();
  change(file);
  try {
    Tokenizer::parse(dump_json(file));
    FAIL() << "accepted: " << reason;
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), code) << e.what();
    EXPECT_NE(std::string(e.what()).find(reason), std::string::npos) << e.what();
  }
}

TEST(Tokenizer, names_what_it_does_not_support) {
  const auto type = [](const char* field, const char* value) {
    return [=](Json& file) { file[field] = Json{{"type", value}}; };
  };
  expect_refused(Code::kUnsupported, "Precompiled", type("normalizer", "Precompiled"));
  expect_refused(Code::kUnsupported, "UnicodeScripts", type("pre_tokenizer", "UnicodeScripts"));
  expect_refused(Code::kUnsupported, "Mystery", type("post_processor", "Mystery"));
  expect_refused(Code::kUnsupported, "CTC", type("decoder", "CTC"));
  expect_refused(Code::kUnsupported, "Unigram", [](Json& file) {
    file["model"] = parse_json(R"({"type": "Unigram", "vocab": [["a", 0.0]]})", "test");
  });
  expect_refused(Code::kUnsupported, "dropout", [](Json& file) { file["model"]["dropout"] = 0.1; });
}

TEST(Tokenizer, refuses_files_that_contradict_themselves) {
  const Code corrupt = Code::kCorrupt;
  expect_refused(corrupt, "model", [](Json& file) { file["model"] = nullptr; });
  expect_refused(corrupt, "model.vocab",
                 [](Json& file) { file["model"]["vocab"] = Json::object(); });
  expect_refused(corrupt, "\"zz\"", [](Json& file) { file["model"]["merges"] = {"z zz"}; });
  expect_refused(corrupt, "\"aĠ\"", [](Json& file) { file["model"]["merges"] = {"a Ġ"}; });
  expect_refused(corrupt, "normalizers", [](Json& file) {
    file["normalizer"] = Json{{"type", "Sequence"}};
  });
  expect_refused(corrupt, "must be an object", [](Json& file) { file["normalizer"] = 7; });
  expect_refused(corrupt, "prepend_scheme", [](Json& file) {
    file["pre_tokenizer"] =
        Json{{"type", "Metaspace"}, {"replacement", "_"}, {"prepend_scheme", "sometimes"}};
  });
  expect_refused(corrupt, "<t>", [](Json& file) {
    file["post_processor"]["single"] =
        parse_json(R"([{"SpecialToken": {"id": "<t>"}}, {"Sequence": {"id": "A"}}])", "test");
  });
  expect_refused(corrupt, "id",
                 [](Json& file) { file["post_processor"]["special_tokens"]["<s>"]["ids"] = {-5}; });
  expect_refused(corrupt, "added_tokens", [](Json& file) { file["added_tokens"] = "all"; });
}

TEST(Tokenizer, a_normalizer_may_not_grow_a_text_without_bound) {
  Json file = byte_level_file();
  Json doubling =
      parse_json(R"({"type": "Replace", "pattern": {"String": "a"}, "content": "aa"})", "test");
  file["normalizer"] = Json{{"type", "Sequence"}, {"normalizers", std::vector<Json>(60, doubling)}};
  const Tokenizer tokenizer = Tokenizer::parse(dump_json(file));
  EXPECT_EQ(tokenizer.encode("b").size(), 2u);
  EXPECT_THROW(tokenizer.encode("a"), Error);
}

TEST(Tokenizer, survives_any_damage_to_its_file) {
  const std::string whole = dump_json(byte_level_file());
  std::mt19937 random(7);
  int accepted = 0;
  for (int round = 0; round < 3000; ++round) {
    std::string bytes = whole;
    for (unsigned i = 0; i <= random() % 3 && !bytes.empty(); ++i) {
      const std::size_t at = random() % bytes.size();
      switch (random() % 4) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:
          bytes.erase(at, random() % 40);
          break;
        case 2:
          bytes.insert(at, bytes.substr(random() % bytes.size(), random() % 40));
          break;
        default:
          bytes.resize(at + 1);
      }
    }
    try {
      const Tokenizer tokenizer = Tokenizer::parse(bytes);
      ++accepted;
      const Ids ids = tokenizer.encode("hello  world <s>\n'S 123456 é", {.literal = {}});
      tokenizer.decode(ids);
    } catch (const Error&) {
      // Any refusal will do; a crash or another exception will not.
    }
  }
  EXPECT_GT(accepted, 0);
}

class ModelFolder : public testing::Test {
 protected:
  void SetUp() override {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::temp_directory_path() /
              (std::string("tandem_") + test->name() + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void write(const char* name, const std::string& bytes) const {
    std::ofstream(folder_ / name, std::ios::binary) << bytes;
  }
  Code load_error() const {
    try {
      Tokenizer::load(folder_);
    } catch (const Error& e) {
      return e.code();
    }
    return Code::kInternal;
  }
  std::filesystem::path folder_;
};

TEST_F(ModelFolder, names_of_bos_and_eos_are_strings_or_objects) {
  write("tokenizer.json", dump_json(byte_level_file()));
  write("tokenizer_config.json",
        R"({"bos_token": {"content": "<s>", "special": true}, "eos_token": null})");
  write("special_tokens_map.json", R"({"bos_token": "<think>", "eos_token": "<think>"})");
  const Tokenizer tokenizer = Tokenizer::load(folder_);
  EXPECT_EQ(tokenizer.bos_token(), "<s>");
  EXPECT_EQ(tokenizer.bos_id(), 265);
  EXPECT_EQ(tokenizer.eos_token(), "<think>");
  EXPECT_EQ(tokenizer.eos_id(), 266);
}

TEST_F(ModelFolder, without_config_there_is_no_bos) {
  write("tokenizer.json", dump_json(byte_level_file()));
  const Tokenizer tokenizer = Tokenizer::load(folder_);
  EXPECT_EQ(tokenizer.bos_token(), "");
  EXPECT_EQ(tokenizer.eos_id(), std::nullopt);
}

TEST_F(ModelFolder, says_what_is_wrong_with_its_files) {
  EXPECT_EQ(load_error(), Code::kNotFound);
  write("tokenizer.json", "{");
  EXPECT_EQ(load_error(), Code::kCorrupt);
  write("tokenizer.json", dump_json(byte_level_file()));
  write("tokenizer_config.json", R"({"bos_token": 5})");
  EXPECT_EQ(load_error(), Code::kCorrupt);
  write("tokenizer_config.json", "nonsense");
  EXPECT_EQ(load_error(), Code::kCorrupt);
  std::filesystem::remove(folder_ / "tokenizer.json");
  std::filesystem::create_directory(folder_ / "tokenizer.json");
  EXPECT_EQ(load_error(), Code::kCorrupt);
}

}  // namespace
}  // namespace tandem::text
