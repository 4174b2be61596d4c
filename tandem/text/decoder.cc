#include "tandem/text/decoder.h"

#include "tandem/text/decoder_steps.h"
#include "tandem/text/json_fields.h"
#include "tandem/text/regex.h"
#include "tandem/text/unicode.h"

namespace tandem::text {
namespace {

constexpr int kMaxDepth = 16;
constexpr std::size_t kMaxSteps = 64;
constexpr std::int64_t kMaxStrip = 1 << 20;

std::string require_character(const Json& json, const char* key, const std::string& where) {
  std::string text = require_string(json, key, where);
  if (text.empty() || static_cast<std::size_t>(utf8_length(text[0])) != text.size()) {
    throw_corrupt(where, std::string("\"") + key + "\" must be one character");
  }
  return text;
}

template <typename Step, typename... Arguments>
std::function<std::unique_ptr<TokenSink>(TokenSink&)> maker(Arguments... arguments) {
  return [=](TokenSink& next) { return std::make_unique<Step>(next, arguments...); };
}

std::function<std::unique_ptr<TokenSink>(TokenSink&)> make_replace(const Json& json,
                                                                   const std::string& where) {
  const Json& pattern = require_field(json, "pattern", where);
  const std::string content = require_string(json, "content", where);
  const std::string text = string_or(pattern, "String", "", where);
  if (!text.empty()) return maker<ReplaceStringStep>(text, content);
  return maker<ReplaceRegexStep>(std::make_shared<const Regex>(read_pattern(json, where)), content);
}

}  // namespace

Decoder::Decoder() { makers_.push_back(maker<JoinStep>()); }

Decoder::Decoder(const Json& json, const std::string& where) {
  append(json, where, 0);
  if (makers_.empty()) makers_.push_back(maker<PassStep>());
}

void Decoder::append(const Json& json, const std::string& where, int depth) {
  if (depth > kMaxDepth || makers_.size() >= kMaxSteps)
    throw_corrupt(where, "more decoders than any model needs");
  const std::string type = require_string(json, "type", where);
  if (type == "Sequence") {
    for (const Json& step : require_array(json, "decoders", where)) append(step, where, depth + 1);
  } else if (type == "ByteLevel") {
    makers_.push_back(maker<ByteLevelStep>());
  } else if (type == "ByteFallback") {
    makers_.push_back(maker<ByteFallbackStep>());
  } else if (type == "Fuse") {
    makers_.push_back(maker<FuseStep>());
  } else if (type == "Replace") {
    makers_.push_back(make_replace(json, where));
  } else if (type == "Strip") {
    const auto count = [&](const char* key) {
      return static_cast<std::size_t>(require_count(json, key, kMaxStrip, where));
    };
    makers_.push_back(
        maker<StripStep>(require_character(json, "content", where), count("start"), count("stop")));
  } else if (type == "Metaspace") {
    const bool prepends = string_or(json, "prepend_scheme", "always", where) != "never" &&
                          bool_or(json, "add_prefix_space", true, where);
    makers_.push_back(
        maker<MetaspaceStep>(require_character(json, "replacement", where), prepends));
  } else if (type == "BPEDecoder") {
    makers_.push_back(maker<BpeSuffixStep>(require_string(json, "suffix", where)));
  } else if (type == "WordPiece") {
    makers_.push_back(maker<WordPieceStep>(string_or(json, "prefix", "##", where),
                                           bool_or(json, "cleanup", true, where)));
  } else {
    throw Error(Code::kUnsupported,
                where + ": a decoder of type \"" + type + "\" is not supported");
  }
}

std::vector<std::unique_ptr<TokenSink>> Decoder::make_steps(TokenSink& last) const {
  std::vector<std::unique_ptr<TokenSink>> steps(makers_.size());
  TokenSink* next = &last;
  for (std::size_t i = makers_.size(); i-- > 0;) {
    steps[i] = makers_[i](*next);
    next = steps[i].get();
  }
  return steps;
}

}  // namespace tandem::text
