// Ruby's regular expressions, as Oniguruma reads them, rewritten for PCRE2; called by
// Regex::compile.
#include <string>
#include <string_view>
#include <vector>

#include "tandem/base/error.h"
#include "tandem/text/regex.h"
#include "tandem/text/unicode.h"

namespace tandem::text {
namespace {

/// Inside a class: Oniguruma's \w. It holds all letters, marks, decimal and letter numbers,
/// connectors, other alphabetic characters, and from Latin-1 also superscripts and fractions.
constexpr std::string_view kWord =
    "\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\x{B2}\\x{B3}\\x{B9}\\x{BC}-\\x{BE}\\x{24B6}-\\x{24E9}"
    "\\x{1F130}-\\x{1F149}\\x{1F150}-\\x{1F169}\\x{1F170}-\\x{1F189}";
constexpr std::string_view kHexDigit = "0-9A-Fa-f";
constexpr int kMaxDepth = 200;

[[noreturn]] void refuse(const std::string& what) {
  throw Error(Code::kUnsupported, what + " is not supported");
}

class DialectWriter {
 public:
  explicit DialectWriter(std::string_view pattern) : in_(pattern) {}

  std::string write() {
    while (at_ < in_.size()) write_one();
    return std::move(out_);
  }

 private:
  char peek(std::size_t ahead = 0) const {
    return at_ + ahead < in_.size() ? in_[at_ + ahead] : '\0';
  }
  bool at(std::string_view text) const { return in_.substr(at_).starts_with(text); }

  void write_one() {
    switch (peek()) {
      case '\\':
        return begin_atom(), write_escape();
      case '[':
        return begin_atom(), write_class(0);
      case '(':
        return open_group();
      case ')':
        return close_group();
      case '*':
      case '+':
      case '?':
        return write_suffix(1);
      case '{':
        return write_interval();
      case '|':
      case '^':
      case '$':
        out_ += in_[at_++];
        return;
      default:
        return begin_atom(), copy(utf8_length(peek()));
    }
  }

  void begin_atom() { atom_ = out_.size(); }
  void copy(std::size_t count) {
    out_ += in_.substr(at_, count);
    at_ += count;
  }

  /// *, + and ? with the mark of laziness or possession behind them, which both dialects read
  /// alike.
  void write_suffix(std::size_t count) {
    copy(count);
    if (peek() == '?' || peek() == '+') copy(1);
  }

  /// {n,m}. Behind it a + repeats the whole again in Ruby, and {n}? makes it optional; PCRE2 reads
  /// possession and laziness.
  void write_interval() {
    const std::size_t close = in_.find('}', at_);
    const std::string_view body =
        close == std::string_view::npos ? "" : in_.substr(at_ + 1, close - at_ - 1);
    const bool is_interval = !body.empty() && body != "," &&
                             body.find_first_not_of("0123456789,") == body.npos &&
                             body.find(',') == body.rfind(',');
    if (!is_interval) {
      begin_atom();
      out_ += "\\{";
      ++at_;
      return;
    }
    out_ += '{';
    if (body.front() == ',') out_ += '0';
    out_ += body;
    out_ += '}';
    at_ = close + 1;
    const bool exact = body.find(',') == body.npos;
    if (peek() == '+' || (peek() == '?' && exact)) {
      out_.insert(atom_, "(?:");
      out_ += ')';
      copy(1);
    } else if (peek() == '?') {
      copy(1);
    }
  }

  void open_group() {
    if (groups_.size() >= kMaxDepth) refuse("nesting deeper than " + std::to_string(kMaxDepth));
    if (at("(?~")) refuse("an absent operator (?~…)");
    groups_.push_back(out_.size());
    copy(1);
    if (peek() != '?') return;
    copy(1);
    if (peek() == '#') {  // a comment: up to its closing parenthesis
      while (at_ < in_.size() && peek() != ')') copy(1);
      return;
    }
    // Options: Ruby's m lets the dot match newlines, which PCRE2 calls s.
    while (peek() == 'i' || peek() == 'm' || peek() == 'x' || peek() == '-') {
      out_ += peek() == 'm' ? 's' : peek();
      ++at_;
    }
    if (peek() == '<' || peek() == '\'') copy(1);
    if (peek() == '=' || peek() == '!' || peek() == ':' || peek() == '>') copy(1);
  }

  void close_group() {
    if (!groups_.empty()) {
      atom_ = groups_.back();
      groups_.pop_back();
    }
    copy(1);
  }

  void write_escape() {
    const char kind = peek(1);
    switch (kind) {
      case 'w':
        return write_class_escape(std::string("[").append(kWord) + "]");
      case 'W':
        return write_class_escape(std::string("[^").append(kWord) + "]");
      case 'h':
        return write_class_escape(std::string("[").append(kHexDigit) + "]");
      case 'H':
        return write_class_escape(std::string("[^").append(kHexDigit) + "]");
      case 'b':
        return write_boundary("(?:(?<=[W])(?![W])|(?<![W])(?=[W]))");
      case 'B':
        return write_boundary("(?:(?<=[W])(?=[W])|(?<![W])(?![W]))");
      default:
        return write_common_escape();
    }
  }

  void write_class_escape(const std::string& text) {
    out_ += text;
    at_ += 2;
  }

  /// `form` with every W replaced by the word characters: PCRE2's own \b counts no marks.
  void write_boundary(std::string_view form) {
    for (const char c : form) {
      if (c == 'W') {
        out_ += kWord;
      } else {
        out_ += c;
      }
    }
    at_ += 2;
  }

  /// Escapes that are the same inside and outside of a class.
  void write_common_escape() {
    switch (peek(1)) {
      case 'v':
        return write_class_escape("\\x{0B}");
      case 'u': {
        out_ += "\\x{" + std::string(in_.substr(at_ + 2, 4)) + "}";
        at_ = std::min(at_ + 6, in_.size());
        return;
      }
      case '\0':
        refuse("a backslash at the end");
      default:
        copy(1 + utf8_length(peek(1)));
    }
    if ((out_.ends_with("\\p") || out_.ends_with("\\P") || out_.ends_with("\\x")) &&
        peek() == '{') {
      while (at_ < in_.size() && peek() != '}') copy(1);
      if (at_ < in_.size()) copy(1);
    }
  }

  /// A class; one nested in another adds its members, as in Ruby.
  void write_class(int depth) {
    if (depth > 8) refuse("a character class nested deeper than 8 levels");
    if (depth == 0) out_ += '[';
    ++at_;
    if (peek() == '^') {
      if (depth > 0) refuse("a negated class inside a class");
      copy(1);
    }
    for (bool first = true; at_ < in_.size() && (first || peek() != ']'); first = false)
      write_class_item(depth);
    if (at_ == in_.size()) refuse("a character class without its ]");
    ++at_;
    if (depth == 0) out_ += ']';
  }

  void write_class_item(int depth) {
    if (at("&&")) refuse("an intersection of character classes (&&)");
    if (at("[:")) {
      const std::size_t close = in_.find(":]", at_);
      if (close != std::string_view::npos) return copy(close + 2 - at_);
    }
    if (peek() == '[') return write_class(depth + 1);
    if (peek() != '\\') return copy(utf8_length(peek()));
    switch (peek(1)) {
      case 'w':
        return write_class_escape(std::string(kWord));
      case 'h':
        return write_class_escape(std::string(kHexDigit));
      case 'W':
      case 'H':
        refuse("\\W or \\H inside a character class");
      default:
        return write_common_escape();
    }
  }

  std::string_view in_;
  std::size_t at_ = 0;
  std::string out_;
  std::size_t atom_ = 0;             ///< where in out_ the last atom begins
  std::vector<std::size_t> groups_;  ///< where in out_ the open groups begin
};

}  // namespace

std::string ruby_to_pcre2(std::string_view pattern) { return DialectWriter(pattern).write(); }

}  // namespace tandem::text
