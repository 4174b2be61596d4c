#include "tandem/text/jinja/string_literal.h"

#include <cstdint>

#include "tandem/text/jinja/unicode.h"

namespace tandem::text::jinja {
namespace {

int digit_of(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 99;
}

class LiteralDecoder {
 public:
  explicit LiteralDecoder(std::string_view quoted) : quoted_(quoted) {}

  std::string run() {
    while (place_ < quoted_.size()) {
      if (quoted_[place_] == '\\' && place_ + 1 < quoted_.size()) {
        decode_escape();
      } else {
        out_ += quoted_[place_++];
      }
    }
    return std::move(out_);
  }

 private:
  void decode_escape() {
    const char c = quoted_[place_ + 1];
    static constexpr std::string_view kLetters = "nrtabfv\\'\"", kMeanings = "\n\r\t\a\b\f\v\\'\"";
    const std::size_t letter = kLetters.find(c);
    if (letter != std::string_view::npos) {
      out_ += kMeanings[letter];
      place_ += 2;
    } else if (c == '\n') {
      place_ += 2;
    } else if (c >= '0' && c <= '7') {
      append_number(place_ + 1, 8, 1, 3);
    } else if (c == 'x' || c == 'u' || c == 'U') {
      const std::size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : 8;
      append_number(place_ + 2, 16, digits, digits);
    } else {
      out_ += quoted_.substr(place_, 2);
      place_ += 2;
    }
  }

  /// Reads `min` to `max` digits at `at`; with fewer the escape stays text.
  void append_number(std::size_t at, int base, std::size_t min, std::size_t max) {
    std::uint32_t value = 0;
    std::size_t count = 0;
    while (count < max && at + count < quoted_.size() && digit_of(quoted_[at + count]) < base) {
      value =
          value * static_cast<std::uint32_t>(base) + static_cast<std::uint32_t>(digit_of(quoted_[at + count]));
      ++count;
    }
    if (count < min) {
      out_ += quoted_.substr(place_, 2);
      place_ += 2;
      return;
    }
    place_ = at + count;
    append_utf8(out_, value >= 0xD800 && value < 0xDC00 ? with_low_surrogate(value) : value);
  }

  std::uint32_t with_low_surrogate(std::uint32_t high) {
    if (quoted_.substr(place_, 2) != "\\u" || place_ + 6 > quoted_.size()) return high;
    std::uint32_t low = 0;
    for (std::size_t i = place_ + 2; i < place_ + 6; ++i) {
      if (digit_of(quoted_[i]) > 15) return high;
      low = low * 16 + static_cast<std::uint32_t>(digit_of(quoted_[i]));
    }
    if (low < 0xDC00 || low > 0xDFFF) return high;
    place_ += 6;
    return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
  }

  std::string_view quoted_;
  std::size_t place_ = 0;
  std::string out_;
};

}  // namespace

std::string decode_string_literal(std::string_view quoted) { return LiteralDecoder(quoted).run(); }

}  // namespace tandem::text::jinja
