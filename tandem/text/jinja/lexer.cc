#include "tandem/text/jinja/lexer.h"

#include <algorithm>
#include <array>

#include "tandem/base/error.h"
#include "tandem/text/jinja/string_literal.h"
#include "tandem/text/jinja/unicode.h"

namespace tandem::text::jinja {
namespace {

constexpr std::size_t kNone = std::string_view::npos;

std::string normalize_newlines(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      out += '\n';
      if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
    } else {
      out += source[i];
    }
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

class Lexer {
 public:
  explicit Lexer(std::string source) : source_(std::move(source)) {}

  std::vector<Token> run() {
    while (place_ < source_.size()) lex_data();
    add(TokenType::kEnd, "");
    return std::move(tokens_);
  }

 private:
  enum class Tag { kNone, kBlock, kVariable, kComment, kRaw };

  /// Template text up to the next tag, then the tag.
  void lex_data() {
    const std::size_t begin = place_;
    std::size_t tag = source_.find('{', begin);
    while (tag != kNone && !(tag + 1 < source_.size() && is_tag_character(source_[tag + 1]))) {
      tag = source_.find('{', tag + 1);
    }
    if (tag == kNone) {
      add_data(source_.substr(begin));
      advance(source_.size());
      return;
    }
    const char kind = source_[tag + 1];
    const char sign = tag + 2 < source_.size() ? source_[tag + 2] : '\0';
    add_data(source_.substr(begin, strip_before(begin, tag, sign, /*may_lstrip=*/kind != '{') - begin));
    advance(tag);
    const std::size_t raw = kind == '%' ? raw_tag_end(tag) : kNone;
    if (raw != kNone) {
      lex_raw(raw);
    } else if (kind == '#') {
      lex_comment();
    } else {
      lex_tag(kind == '%');
    }
  }

  static bool is_tag_character(char c) { return c == '%' || c == '{' || c == '#'; }

  /// Where the text [begin, tag) ends once the tag's sign and lstrip_blocks have taken their white space.
  std::size_t strip_before(std::size_t begin, std::size_t tag, char sign, bool may_lstrip) const {
    if (sign == '-') return strip_spaces_before(begin, tag);
    if (sign == '+' || !may_lstrip) return tag;
    const std::size_t newline = tag == begin ? kNone : source_.rfind('\n', tag - 1);
    const bool has_newline = newline != kNone && newline >= begin;
    const std::size_t line = has_newline ? newline + 1 : begin;
    if (!has_newline && !at_line_start_) return tag;
    return strip_spaces_before(line, tag) == line ? line : tag;
  }

  /// The end of [begin, end) without its trailing white space.
  std::size_t strip_spaces_before(std::size_t begin, std::size_t end) const {
    while (end > begin) {
      std::size_t last = end - 1;
      while (last > begin && (static_cast<unsigned char>(source_[last]) & 0xC0) == 0x80) --last;
      if (!is_space(code_point_at(source_, last))) break;
      end = last;
    }
    return end;
  }

  /// {% raw %}: the byte after it, when the tag at `tag` is one.
  std::size_t raw_tag_end(std::size_t tag) const {
    std::size_t i = tag + 2;
    if (i < source_.size() && (source_[i] == '-' || source_[i] == '+')) ++i;
    return match_word_and_end(i, "raw", /*plus_allowed=*/false, /*trim=*/false);
  }

  /// After optional spaces, `word`, optional spaces and a block end: the byte after all that.
  std::size_t match_word_and_end(std::size_t i, std::string_view word, bool plus_allowed, bool trim) const {
    i = skip_spaces(i);
    if (source_.compare(i, word.size(), word) != 0) return kNone;
    return match_close(skip_spaces(i + word.size()), "%}", plus_allowed, trim);
  }

  /// "-%}" with the white space after it, "+%}", or "%}" with one newline: the byte after.
  std::size_t match_close(std::size_t i, std::string_view close, bool plus_allowed, bool trim) const {
    const char sign = i < source_.size() ? source_[i] : '\0';
    const bool signed_close = sign == '-' || (sign == '+' && plus_allowed);
    if (source_.compare(i + (signed_close ? 1 : 0), close.size(), close) != 0) return kNone;
    if (signed_close) {
      i += 1 + close.size();
      return sign == '-' ? skip_spaces(i) : i;
    }
    i += close.size();
    return trim && i < source_.size() && source_[i] == '\n' ? i + 1 : i;
  }

  std::size_t skip_spaces(std::size_t i) const {
    while (i < source_.size() && is_space(code_point_at(source_, i))) i += character_size(source_, i);
    return i;
  }

  void lex_comment() {
    std::size_t body = place_ + 2;
    if (body < source_.size() && (source_[body] == '-' || source_[body] == '+')) ++body;
    const std::size_t close = source_.find("#}", body);
    if (close == kNone) fail_here("a comment is never closed");
    const bool has_sign = close > body && (source_[close - 1] == '-' || source_[close - 1] == '+');
    advance(match_close(has_sign ? close - 1 : close, "#}", /*plus_allowed=*/true, /*trim=*/true));
  }

  void lex_raw(std::size_t body) {
    advance(body);
    for (std::size_t i = source_.find("{%", body); i != kNone; i = source_.find("{%", i + 1)) {
      const char sign = i + 2 < source_.size() ? source_[i + 2] : '\0';
      const std::size_t word = sign == '-' || sign == '+' ? i + 3 : i + 2;
      const std::size_t end = match_word_and_end(word, "endraw", /*plus_allowed=*/true, /*trim=*/true);
      if (end == kNone) continue;
      add_data(source_.substr(body, strip_before(body, i, sign, /*may_lstrip=*/true) - body));
      advance(end);
      return;
    }
    fail_here("{% raw %} is never closed");
  }

  void lex_tag(bool is_block) {
    const int line = line_, column = column_at(place_);
    std::size_t begin = place_ + 2;
    if (begin < source_.size() && (source_[begin] == '-' || (source_[begin] == '+' && is_block))) ++begin;
    add(is_block ? TokenType::kBlockBegin : TokenType::kVariableBegin, "");
    advance(begin);
    brackets_.clear();
    while (true) {
      advance(skip_spaces(place_));
      if (place_ >= source_.size()) fail_at(line, column, "a tag is opened and never closed");
      if (brackets_.empty()) {
        const std::size_t end =
            match_close(place_, is_block ? "%}" : "}}", /*plus_allowed=*/is_block, /*trim=*/is_block);
        if (end != kNone) {
          add(is_block ? TokenType::kBlockEnd : TokenType::kVariableEnd, "");
          advance(end);
          return;
        }
      }
      lex_expression_token();
    }
  }

  void lex_expression_token() {
    const char c = source_[place_];
    if (c >= '0' && c <= '9') return lex_number();
    if (c == '"' || c == '\'') return lex_string(c);
    if (is_identifier_start(code_point_at(source_, place_))) return lex_name();
    lex_operator();
  }

  void lex_name() {
    std::size_t end = place_;
    while (end < source_.size() && is_identifier_part(code_point_at(source_, end)))
      end += character_size(source_, end);
    add(TokenType::kName, source_.substr(place_, end - place_));
    advance(end);
  }

  void lex_string(char quote) {
    std::size_t end = place_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) fail_here("a string is never closed");
    add(TokenType::kString,
        decode_string_literal(std::string_view(source_).substr(place_ + 1, end - place_ - 1)));
    advance(end + 1);
  }

  /// Digits with single underscores between them.
  std::size_t skip_digits(std::size_t i, int base) const {
    const auto is_digit_here = [&](std::size_t at) {
      if (at >= source_.size()) return false;
      const char c = source_[at];
      if (c >= '0' && c <= '9') return c - '0' < base;
      const char lower = static_cast<char>(c | 0x20);
      return base == 16 && lower >= 'a' && lower <= 'f';
    };
    while (is_digit_here(i) || (i < source_.size() && source_[i] == '_' && is_digit_here(i + 1))) ++i;
    return i;
  }

  void lex_number() {
    if (source_[place_] == '0' && place_ + 1 < source_.size()) {
      const char prefix = static_cast<char>(source_[place_ + 1] | 0x20);
      const int base = prefix == 'x' ? 16 : prefix == 'o' ? 8 : prefix == 'b' ? 2 : 0;
      const std::size_t end = base == 0 ? place_ : skip_digits(place_ + 2, base);
      if (base != 0 && end > place_ + 2) return add_number(TokenType::kInteger, end);
    }
    std::size_t end = skip_digits(place_, 10);
    TokenType type = TokenType::kInteger;
    const auto is_decimal_digit = [&](std::size_t at) {
      return at < source_.size() && source_[at] >= '0' && source_[at] <= '9';
    };
    if (place_ > 0 && source_[place_ - 1] == '.') return add_number(type, end);  // x.0.1 is two look-ups
    if (end < source_.size() && source_[end] == '.' && is_decimal_digit(end + 1)) {
      end = skip_digits(end + 1, 10);
      type = TokenType::kFloat;
    }
    if (end < source_.size() && (source_[end] | 0x20) == 'e') {
      const bool has_sign = end + 1 < source_.size() && (source_[end + 1] == '+' || source_[end + 1] == '-');
      const std::size_t digits = end + (has_sign ? 2 : 1);
      if (is_decimal_digit(digits)) {
        end = skip_digits(digits, 10);
        type = TokenType::kFloat;
      }
    }
    add_number(type, end);
  }

  void add_number(TokenType type, std::size_t end) {
    std::string digits = source_.substr(place_, end - place_);
    digits.erase(std::remove(digits.begin(), digits.end(), '_'), digits.end());
    add(type, std::move(digits));
    advance(end);
  }

  void lex_operator() {
    static constexpr std::array<std::string_view, 6> kTwoCharacters = {"//", "**", "==", "!=", ">=", "<="};
    static constexpr std::string_view kOneCharacter = "+-/*%~[](){}><=.:|,;";
    const std::string_view two = std::string_view(source_).substr(place_, 2);
    const bool is_two = std::find(kTwoCharacters.begin(), kTwoCharacters.end(), two) != kTwoCharacters.end();
    if (!is_two && kOneCharacter.find(two[0]) == kNone) {
      fail_here("unexpected character '" + source_.substr(place_, character_size(source_, place_)) + "'");
    }
    const std::string_view found = two.substr(0, is_two ? 2 : 1);
    if (!is_two) balance(found[0]);
    add(TokenType::kOperator, std::string(found));
    advance(place_ + found.size());
  }

  /// A tag's end inside brackets is no end: {{ {"a": {}} }}.
  void balance(char c) {
    if (c == '(') brackets_ += ')';
    if (c == '[') brackets_ += ']';
    if (c == '{') brackets_ += '}';
    if (c != ')' && c != ']' && c != '}') return;
    if (brackets_.empty() || brackets_.back() != c) fail_here(std::string("unexpected '") + c + "'");
    brackets_.pop_back();
  }

  void add(TokenType type, std::string text) {
    tokens_.push_back({type, std::move(text), line_, column_at(place_)});
  }
  void add_data(std::string text) {
    if (!text.empty()) add(TokenType::kData, std::move(text));
  }

  void advance(std::size_t to) {
    for (; place_ < to; ++place_) {
      if (source_[place_] != '\n') continue;
      ++line_;
      line_begin_ = place_ + 1;
    }
    at_line_start_ = place_ == 0 || source_[place_ - 1] == '\n';
  }
  int column_at(std::size_t place) const { return static_cast<int>(place - line_begin_) + 1; }
  [[noreturn]] void fail_here(const std::string& message) const { fail_at(line_, column_at(place_), message); }

  const std::string source_;
  std::size_t place_ = 0;
  std::size_t line_begin_ = 0;
  int line_ = 1;
  bool at_line_start_ = true;
  std::string brackets_;
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view source) {
  if (!is_valid_utf8(source)) fail_at(1, 1, "the template is not valid UTF-8");
  return Lexer(normalize_newlines(source)).run();
}

void fail_at(int line, int column, const std::string& message) {
  throw Error(Code::kCorrupt, "chat template, line " + std::to_string(line) + ", column " +
                                  std::to_string(column) + ": " + message);
}

}  // namespace tandem::text::jinja
