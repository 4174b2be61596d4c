#include "tandem/text/normalizer.h"

#include <vector>

#include "tandem/text/byte_alphabet.h"
#include "tandem/text/json_fields.h"
#include "tandem/text/regex.h"
#include "tandem/text/unicode.h"

namespace tandem::text {
namespace {

using Steps = std::vector<std::unique_ptr<Normalizer>>;

/// Steps one after the other. Each may grow a text; together they may not grow it more than one of
/// them may.
class SequenceNormalizer : public Normalizer {
 public:
  explicit SequenceNormalizer(Steps steps) : steps_(std::move(steps)) {}
  void apply(AlignedText& text) const override {
    const std::size_t limit = max_rewritten_bytes(text.bytes().size());
    for (const auto& step : steps_) {
      step->apply(text);
      if (text.bytes().size() > limit) throw_too_long();
    }
  }

 private:
  Steps steps_;
};

/// Calls `rewrite(character, begin, end, writer)` for every character and takes what was written.
template <typename Rewrite>
void rewrite_characters(AlignedText& text, const Rewrite& rewrite) {
  AlignedWriter writer(text);
  const std::string& bytes = text.bytes();
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t end = at + utf8_length(bytes[at]);
    rewrite(decode_utf8(bytes, at), at, end, writer);
    at = end;
  }
  text = writer.finish();
}

/// NFC and its siblings. Stretches are normalised by themselves, cut before characters below
/// U+0300: those never combine with what stands before them. Only stretches that change lose their
/// byte-by-byte origin.
class UnicodeNormalizer : public Normalizer {
 public:
  explicit UnicodeNormalizer(NormalForm form) : form_(form) {}

  void apply(AlignedText& text) const override {
    const std::string& bytes = text.bytes();
    bool ascii = true;
    for (const char byte : bytes) ascii = ascii && static_cast<unsigned char>(byte) < 0x80;
    if (ascii) return;
    AlignedWriter writer(text);
    bool changed = false;
    for (std::size_t begin = 0; begin < bytes.size();) {
      const std::size_t end = stretch_end(bytes, begin);
      const std::string_view stretch = std::string_view(bytes).substr(begin, end - begin);
      const std::string normal = normalize(stretch, form_);
      if (normal == stretch) {
        writer.keep(begin, end);
      } else {
        writer.replace(begin, end, normal);
        changed = true;
      }
      begin = end;
    }
    if (changed) text = writer.finish();
  }

 private:
  static bool begins_stretch(char lead) {
    return static_cast<unsigned char>(lead) < 0xCC;
  }  // U+0300 is CC 80

  /// One character below U+0300 and what follows it above; a run of ASCII is one stretch up to its
  /// last character.
  static std::size_t stretch_end(const std::string& bytes, std::size_t begin) {
    std::size_t at = begin;
    while (at < bytes.size() && static_cast<unsigned char>(bytes[at]) < 0x80) ++at;
    if (at > begin + 1) return at == bytes.size() ? at : at - 1;
    at = begin + utf8_length(bytes[begin]);
    while (at < bytes.size() && !begins_stretch(bytes[at])) at += utf8_length(bytes[at]);
    return at;
  }

  NormalForm form_;
};

class LowercaseNormalizer : public Normalizer {
 public:
  void apply(AlignedText& text) const override {
    rewrite_characters(text,
                       [](char32_t c, std::size_t begin, std::size_t end, AlignedWriter& writer) {
                         std::string lower;
                         append_lower(lower, c);
                         writer.replace(begin, end, lower);
                       });
  }
};

class StripAccentsNormalizer : public Normalizer {
 public:
  void apply(AlignedText& text) const override {
    rewrite_characters(text,
                       [](char32_t c, std::size_t begin, std::size_t end, AlignedWriter& writer) {
                         if (!is_mark(c)) writer.keep(begin, end);
                       });
  }
};

/// SentencePiece's rule set "nmt": control characters go, odd spaces become spaces.
class NmtNormalizer : public Normalizer {
 public:
  void apply(AlignedText& text) const override {
    rewrite_characters(text,
                       [](char32_t c, std::size_t begin, std::size_t end, AlignedWriter& writer) {
                         if (is_removed(c)) return;
                         if (is_space(c)) {
                           writer.replace(begin, end, " ");
                         } else {
                           writer.keep(begin, end);
                         }
                       });
  }

 private:
  static bool is_removed(char32_t c) {
    return (c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F ||
           c == 0x8F || c == 0x9F;
  }
  static bool is_space(char32_t c) {
    return c == 0x09 || c == 0x0A || c == 0x0C || c == 0x0D || c == 0x1680 ||
           (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
           c == 0xFEFF || c == 0xFFFD;
  }
};

class StripNormalizer : public Normalizer {
 public:
  StripNormalizer(bool left, bool right) : left_(left), right_(right) {}

  void apply(AlignedText& text) const override {
    const std::string& bytes = text.bytes();
    std::size_t begin = 0, end = bytes.size();
    while (left_ && begin < end && is_white_space(decode_utf8(bytes, begin)))
      begin += utf8_length(bytes[begin]);
    while (right_ && end > begin) {
      std::size_t last = end - 1;
      while (last > begin && (static_cast<unsigned char>(bytes[last]) & 0xC0) == 0x80) --last;
      if (!is_white_space(decode_utf8(bytes, last))) break;
      end = last;
    }
    if (end - begin < bytes.size()) text = text.slice(begin, end);
  }

 private:
  bool left_, right_;
};

class PrependNormalizer : public Normalizer {
 public:
  explicit PrependNormalizer(std::string prefix) : prefix_(std::move(prefix)) {}

  void apply(AlignedText& text) const override {
    if (text.empty()) return;
    AlignedWriter writer(text);
    const std::size_t first = utf8_length(text.bytes()[0]);
    writer.replace(0, first, prefix_ + text.bytes().substr(0, first));
    writer.keep(first, text.bytes().size());
    text = writer.finish();
  }

 private:
  std::string prefix_;
};

class ReplaceNormalizer : public Normalizer {
 public:
  ReplaceNormalizer(Regex pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}

  void apply(AlignedText& text) const override {
    if (text.empty()) return;
    const std::vector<Range> matches = pattern_.find_all(text.bytes());
    if (matches.empty()) return;
    AlignedWriter writer(text);
    std::size_t at = 0;
    for (const Range& match : matches) {
      writer.keep(at, match.begin);
      writer.insert(match.begin, match.end, content_);
      at = match.end;
    }
    writer.keep(at, text.bytes().size());
    text = writer.finish();
  }

 private:
  Regex pattern_;
  std::string content_;
};

class ByteLevelNormalizer : public Normalizer {
 public:
  void apply(AlignedText& text) const override {
    AlignedWriter writer(text);
    const std::string& bytes = text.bytes();
    for (std::size_t at = 0; at < bytes.size(); ++at)
      writer.replace(at, at + 1, byte_character(bytes[at]));
    text = writer.finish();
  }
};

std::unique_ptr<Normalizer> make_step(const std::string& type, const Json& json,
                                      const std::string& where);

/// Sequences within sequences become one.
void append_steps(const Json& json, const std::string& where, Steps& steps) {
  const std::string type = require_string(json, "type", where);
  if (type != "Sequence") {
    steps.push_back(make_step(type, json, where));
    return;
  }
  std::size_t index = 0;
  for (const Json& step : require_array(json, "normalizers", where)) {
    append_steps(step, where + ".normalizers[" + std::to_string(index++) + "]", steps);
  }
}

std::unique_ptr<Normalizer> make_step(const std::string& type, const Json& json,
                                      const std::string& where) {
  if (type == "NFC") return std::make_unique<UnicodeNormalizer>(NormalForm::kNfc);
  if (type == "NFD") return std::make_unique<UnicodeNormalizer>(NormalForm::kNfd);
  if (type == "NFKC") return std::make_unique<UnicodeNormalizer>(NormalForm::kNfkc);
  if (type == "NFKD") return std::make_unique<UnicodeNormalizer>(NormalForm::kNfkd);
  if (type == "Lowercase") return std::make_unique<LowercaseNormalizer>();
  if (type == "StripAccents") return std::make_unique<StripAccentsNormalizer>();
  if (type == "Nmt") return std::make_unique<NmtNormalizer>();
  if (type == "ByteLevel") return std::make_unique<ByteLevelNormalizer>();
  if (type == "Prepend")
    return std::make_unique<PrependNormalizer>(require_string(json, "prepend", where));
  if (type == "Strip") {
    return std::make_unique<StripNormalizer>(bool_or(json, "strip_left", true, where),
                                             bool_or(json, "strip_right", true, where));
  }
  if (type == "Replace") {
    return std::make_unique<ReplaceNormalizer>(read_pattern(json, where),
                                               require_string(json, "content", where));
  }
  throw Error(Code::kUnsupported,
              where + ": a normalizer of type \"" + type + "\" is not supported");
}

}  // namespace

std::unique_ptr<Normalizer> make_normalizer(const Json& json, const std::string& where) {
  Steps steps;
  append_steps(json, where, steps);
  return std::make_unique<SequenceNormalizer>(std::move(steps));
}

}  // namespace tandem::text
