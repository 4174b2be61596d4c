#include "tandem/text/pre_tokenizer.h"

#include "tandem/text/byte_alphabet.h"
#include "tandem/text/json_fields.h"
#include "tandem/text/regex.h"
#include "tandem/text/split_behavior.h"
#include "tandem/text/unicode.h"

namespace tandem::text {
namespace {

/// GPT-2's own pattern, built into ByteLevel.
constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

/// Replaces every piece by what `split(view)` returns: ranges of that piece; empty ones go.
template <typename Split>
void split_pieces(Pieces& pieces, const Split& split) {
  std::vector<Pieces::Piece> parts;
  parts.reserve(pieces.pieces.size());
  for (const Pieces::Piece& piece : pieces.pieces) {
    for (const Range& part : split(pieces.view(piece))) {
      if (part.begin == part.end) continue;
      const Range range{piece.range.begin + part.begin, piece.range.begin + part.end};
      parts.push_back({range, piece.at_start && part.begin == 0});
    }
  }
  pieces.pieces = std::move(parts);
}

/// Rewrites the text under every piece: `write(view, piece, out)` appends.
template <typename Write>
void rewrite_pieces(Pieces& pieces, const Write& write) {
  std::string text;
  text.reserve(pieces.text.size() * 2);
  for (Pieces::Piece& piece : pieces.pieces) {
    const std::size_t begin = text.size();
    write(pieces.view(piece), piece, text);
    piece.range = {begin, text.size()};
  }
  pieces.text = std::move(text);
}

/// Matches of single characters.
template <typename Predicate>
std::vector<Range> find_characters(std::string_view text, const Predicate& predicate) {
  std::vector<Range> found;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = at + utf8_length(text[at]);
    if (predicate(decode_utf8(text, at))) found.push_back({at, end});
    at = end;
  }
  return found;
}

/// Longest stretches of word characters, and of what is neither word nor white space: Rust's
/// \w+|[^\w\s]+.
std::vector<Range> find_words(std::string_view text) {
  enum class Kind { kSpace, kWord, kSymbol };
  std::vector<Range> found;
  Kind previous = Kind::kSpace;
  for (std::size_t at = 0; at < text.size();) {
    const char32_t c = decode_utf8(text, at);
    const std::size_t end = at + utf8_length(text[at]);
    const Kind kind = is_word(c) ? Kind::kWord : is_white_space(c) ? Kind::kSpace : Kind::kSymbol;
    if (kind != Kind::kSpace && kind == previous) {
      found.back().end = end;
    } else if (kind != Kind::kSpace) {
      found.push_back({at, end});
    }
    previous = kind;
    at = end;
  }
  return found;
}

class SequencePreTokenizer : public PreTokenizer {
 public:
  explicit SequencePreTokenizer(std::vector<std::unique_ptr<PreTokenizer>> steps)
      : steps_(std::move(steps)) {}
  void apply(Pieces& pieces) const override {
    for (const auto& step : steps_) step->apply(pieces);
  }

 private:
  std::vector<std::unique_ptr<PreTokenizer>> steps_;
};

class SplitPreTokenizer : public PreTokenizer {
 public:
  SplitPreTokenizer(Regex pattern, SplitBehavior behavior, bool invert)
      : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}

  void apply(Pieces& pieces) const override {
    split_pieces(pieces, [&](std::string_view piece) {
      std::vector<Segment> segments = cover(pattern_.find_all(piece), piece.size());
      if (invert_) {
        for (Segment& segment : segments) segment.is_delimiter = !segment.is_delimiter;
      }
      return split_segments(segments, behavior_);
    });
  }

 private:
  Regex pattern_;
  SplitBehavior behavior_;
  bool invert_;
};

/// Splits at single characters of a class.
class CharacterPreTokenizer : public PreTokenizer {
 public:
  CharacterPreTokenizer(bool (*is_delimiter)(char32_t), SplitBehavior behavior)
      : is_delimiter_(is_delimiter), behavior_(behavior) {}

  void apply(Pieces& pieces) const override {
    split_pieces(pieces, [&](std::string_view piece) {
      return split_segments(cover(find_characters(piece, is_delimiter_), piece.size()), behavior_);
    });
  }

 private:
  bool (*is_delimiter_)(char32_t);
  SplitBehavior behavior_;
};

class WhitespacePreTokenizer : public PreTokenizer {
 public:
  void apply(Pieces& pieces) const override { split_pieces(pieces, find_words); }
};

class ByteLevelPreTokenizer : public PreTokenizer {
 public:
  ByteLevelPreTokenizer(bool add_prefix_space, bool use_pattern)
      : add_prefix_space_(add_prefix_space) {
    if (use_pattern) pattern_ = std::make_unique<Regex>(Regex::compile(kGpt2Pattern, "ByteLevel"));
  }

  void apply(Pieces& pieces) const override {
    if (add_prefix_space_) {
      rewrite_pieces(pieces, [](std::string_view view, const Pieces::Piece&, std::string& out) {
        if (view[0] != ' ') out += ' ';
        out += view;
      });
    }
    if (pattern_) {
      split_pieces(pieces, [&](std::string_view piece) {
        return split_segments(cover(pattern_->find_all(piece), piece.size()),
                              SplitBehavior::kIsolated);
      });
    }
    rewrite_pieces(pieces, [](std::string_view view, const Pieces::Piece&, std::string& out) {
      for (const char byte : view) out += byte_character(byte);
    });
  }

 private:
  bool add_prefix_space_;
  std::unique_ptr<Regex> pattern_;
};

class MetaspacePreTokenizer : public PreTokenizer {
 public:
  enum class Prepend { kAlways, kFirst, kNever };
  MetaspacePreTokenizer(std::string replacement, Prepend prepend, bool split)
      : replacement_(std::move(replacement)),
        pattern_(Regex::literal(replacement_)),
        prepend_(prepend),
        split_(split) {}

  void apply(Pieces& pieces) const override {
    rewrite_pieces(
        pieces, [&](std::string_view view, const Pieces::Piece& piece, std::string& out) {
          const bool marked = view[0] == ' ' || view.starts_with(replacement_);
          const bool wanted =
              prepend_ == Prepend::kAlways || (prepend_ == Prepend::kFirst && piece.at_start);
          if (wanted && !marked) out += replacement_;
          for (const char byte : view) {
            if (byte == ' ') {
              out += replacement_;
            } else {
              out += byte;
            }
          }
        });
    if (!split_) return;
    split_pieces(pieces, [&](std::string_view piece) {
      return split_segments(cover(pattern_.find_all(piece), piece.size()),
                            SplitBehavior::kMergedWithNext);
    });
  }

 private:
  std::string replacement_;
  Regex pattern_;
  Prepend prepend_;
  bool split_;
};

bool is_any_punctuation(char32_t c) {
  const bool ascii = (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
                     (c >= '{' && c <= '~');
  return ascii || is_punctuation(c);
}

std::unique_ptr<PreTokenizer> make_sequence(const Json& json, const std::string& where) {
  std::vector<std::unique_ptr<PreTokenizer>> made;
  for (const Json& step : require_array(json, "pretokenizers", where)) {
    made.push_back(
        make_pre_tokenizer(step, where + ".pretokenizers[" + std::to_string(made.size()) + "]"));
  }
  return std::make_unique<SequencePreTokenizer>(std::move(made));
}

std::unique_ptr<PreTokenizer> make_metaspace(const Json& json, const std::string& where) {
  using Prepend = MetaspacePreTokenizer::Prepend;
  const std::string replacement = require_string(json, "replacement", where);
  if (replacement.empty() ||
      static_cast<std::size_t>(utf8_length(replacement[0])) != replacement.size()) {
    throw_corrupt(where, "\"replacement\" must be one character");
  }
  std::string scheme = string_or(json, "prepend_scheme", "always", where);
  // Files written before 2024 say add_prefix_space instead.
  if (!bool_or(json, "add_prefix_space", true, where)) scheme = "never";
  if (scheme != "always" && scheme != "first" && scheme != "never") {
    throw_corrupt(where, "unknown prepend_scheme \"" + scheme + "\"");
  }
  const Prepend prepend = scheme == "always"  ? Prepend::kAlways
                          : scheme == "first" ? Prepend::kFirst
                                              : Prepend::kNever;
  return std::make_unique<MetaspacePreTokenizer>(replacement, prepend,
                                                 bool_or(json, "split", true, where));
}

}  // namespace

std::unique_ptr<PreTokenizer> make_pre_tokenizer(const Json& json, const std::string& where) {
  const std::string type = require_string(json, "type", where);
  if (type == "Sequence") return make_sequence(json, where);
  if (type == "Metaspace") return make_metaspace(json, where);
  if (type == "Whitespace") return std::make_unique<WhitespacePreTokenizer>();
  if (type == "ByteLevel") {
    return std::make_unique<ByteLevelPreTokenizer>(bool_or(json, "add_prefix_space", true, where),
                                                   bool_or(json, "use_regex", true, where));
  }
  if (type == "Split") {
    const SplitBehavior behavior =
        parse_split_behavior(require_string(json, "behavior", where), where);
    return std::make_unique<SplitPreTokenizer>(read_pattern(json, where), behavior,
                                               bool_or(json, "invert", false, where));
  }
  if (type == "Digits") {
    const bool individual = bool_or(json, "individual_digits", false, where);
    return std::make_unique<CharacterPreTokenizer>(
        is_number, individual ? SplitBehavior::kIsolated : SplitBehavior::kContiguous);
  }
  if (type == "WhitespaceSplit") {
    return std::make_unique<CharacterPreTokenizer>(is_white_space, SplitBehavior::kRemoved);
  }
  if (type == "Punctuation") {
    const std::string behavior = string_or(json, "behavior", "Isolated", where);
    return std::make_unique<CharacterPreTokenizer>(is_any_punctuation,
                                                   parse_split_behavior(behavior, where));
  }
  throw Error(Code::kUnsupported,
              where + ": a pre-tokenizer of type \"" + type + "\" is not supported");
}

}  // namespace tandem::text
