#include "tandem/text/decoder.h"

#include <gtest/gtest.h>

#include "tandem/base/error.h"
#include "tandem/text/unicode.h"

namespace tandem::text {
namespace {

class Collector : public TokenSink {
 public:
  void text(std::string_view piece) override { out += piece; }
  void end_token() override {}
  void finish() override { out += "."; }
  std::string out;
};

using Strings = std::vector<std::string>;

/// What every token settles, and what the end does.
Strings stream(const std::string& json, const Strings& tokens) {
  Collector collector;
  const Decoder decoder = json.empty() ? Decoder() : Decoder(parse_json(json, "test"), "test");
  const auto steps = decoder.make_steps(collector);
  Strings settled;
  const auto take = [&] {
    EXPECT_TRUE(is_valid_utf8(collector.out));
    settled.push_back(std::exchange(collector.out, {}));
  };
  for (const std::string& token : tokens) {
    steps.front()->text(token);
    steps.front()->end_token();
    take();
  }
  steps.front()->finish();
  take();
  return settled;
}

TEST(Decoder, joins_with_spaces_when_the_file_has_none) {
  EXPECT_EQ(stream("", {"a", "", "b"}), (Strings{"a", " ", " b", "."}));
}

TEST(Decoder, byte_level_waits_for_whole_characters) {
  const std::string json = R"({"type": "ByteLevel"})";
  EXPECT_EQ(stream(json, {"Ġa", "Ã", "©", "ð", "Ł", "a"}),
            (Strings{" a", "", "é", "", "", "\uFFFDa", "."}));
  EXPECT_EQ(stream(json, {"ð"}), (Strings{"", "\uFFFD."}));
  EXPECT_EQ(stream(json, {"你好"}), (Strings{"你好", "."}));
}

TEST(Decoder, byte_fallback_waits_for_the_end_of_a_run) {
  const std::string json = R"({"type": "ByteFallback"})";
  EXPECT_EQ(stream(json, {"<0xC3>", "<0xA9>", "x"}), (Strings{"", "", "éx", "."}));
  EXPECT_EQ(stream(json, {"<0x41>", "<0xC3>", "x"}), (Strings{"", "", "\uFFFD\uFFFDx", "."}));
  EXPECT_EQ(stream(json, {"<0x41>", "<0xFF>", "<0x41>"}),
            (Strings{"", "\uFFFD\uFFFD", "\uFFFD", "."}));
  EXPECT_EQ(stream(json, {"<0xzz>", "<0x0>"}), (Strings{"<0xzz>", "<0x0>", "."}));
}

TEST(Decoder, llamas_sequence_streams) {
  const std::string json = R"({"type": "Sequence", "decoders": [
      {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
      {"type": "Strip", "content": " ", "start": 1, "stop": 0}]})";
  EXPECT_EQ(stream(json, {"▁▁Hello", "▁world", "<0x0A>", "!"}),
            (Strings{" Hello", " world", "", "\n!", "."}));
}

TEST(Decoder, strip_holds_back_what_may_be_the_end) {
  const std::string json =
      R"({"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "Strip", "content": "a", "start": 1, "stop": 2}]})";
  EXPECT_EQ(stream(json, {"aab", "a", "aa", "a"}), (Strings{"ab", "", "a", "a", "."}));
}

TEST(Decoder, replace_finds_strings_across_pieces) {
  const std::string json = R"({"type": "Sequence", "decoders": [{"type": "Fuse"},
      {"type": "Replace", "pattern": {"String": "aab"}, "content": "X"}]})";
  EXPECT_EQ(stream(json, {"a", "a", "a", "b", "a"}), (Strings{"", "", "a", "X", "", "a."}));
}

TEST(Decoder, a_words_suffix_is_no_space_at_the_end) {
  EXPECT_EQ(stream(R"({"type": "BPEDecoder", "suffix": "</w>"})", {"a</w>", "b</w>"}),
            (Strings{"", "a ", "b."}));
  EXPECT_EQ(stream(R"({"type": "BPEDecoder", "suffix": "</w>"})", {}), (Strings{"."}));
}

TEST(Decoder, metaspace_drops_the_first_mark) {
  EXPECT_EQ(stream(R"({"type": "Metaspace", "replacement": "▁"})", {"▁a", "▁b"}),
            (Strings{"a", " b", "."}));
  EXPECT_EQ(
      stream(R"({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never"})", {"▁a"}),
      (Strings{" a", "."}));
}

TEST(Decoder, refuses_what_it_does_not_know) {
  for (const char* json : {R"({"type": "CTC"})", R"({})", R"([])",
                           R"({"type": "Strip", "content": "ab", "start": 0, "stop": 0})",
                           R"({"type": "Strip", "content": "a", "start": -1, "stop": 0})",
                           R"({"type": "Sequence"})"}) {
    EXPECT_THROW(Decoder(parse_json(json, "test"), "test"), Error) << json;
  }
}

}  // namespace
}  // namespace tandem::text
