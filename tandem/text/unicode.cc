#include "tandem/text/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "tandem/text/unicode_additions.h"

namespace tandem::text {
namespace {

unsigned char byte_at(std::string_view bytes, std::size_t at) {
  return static_cast<unsigned char>(bytes[at]);
}

utf8proc_category_t category(char32_t c) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(well_known(c)));
}

bool is_within(utf8proc_category_t value, utf8proc_category_t first, utf8proc_category_t last) {
  return value >= first && value <= last;
}

/// Pages of 256 characters that hold an addition: nearly every text is decided by this alone.
class AdditionPages {
 public:
  AdditionPages() {
    for (const UnicodeAddition& addition : kUnicodeAdditions) {
      for (char32_t page = addition.first >> 8; page <= addition.last >> 8; ++page)
        has_[page] = true;
    }
  }
  bool may_hold(char32_t c) const { return has_[c >> 8]; }

 private:
  std::array<bool, 0x1100> has_{};
};

/// Characters with their combining classes: marks between two starters are sorted by class, stably.
void order_canonically(std::vector<utf8proc_int32_t>& points) {
  const auto combining_class = [](utf8proc_int32_t c) {
    return utf8proc_get_property(c)->combining_class;
  };
  std::size_t at = 0;
  while (at < points.size()) {
    if (combining_class(points[at]) == 0) {
      ++at;
      continue;
    }
    std::size_t end = at + 1;
    while (end < points.size() && combining_class(points[end]) != 0) ++end;
    std::stable_sort(points.begin() + at, points.begin() + end,
                     [&](auto a, auto b) { return combining_class(a) < combining_class(b); });
    at = end;
  }
}

bool is_in(std::span<const CharacterRange> table, char32_t c) {
  const auto after = std::upper_bound(
      table.begin(), table.end(), c,
      [](char32_t value, const CharacterRange& range) { return value < range.first; });
  return after != table.begin() && c <= (after - 1)->last;
}

/// Whether `tokenizers`, whose normal forms are those of Unicode 9, leaves `c` alone where newer
/// versions would not.
bool is_inert(char32_t c) { return well_known(c) != c || is_in(kLaterNormalized, c); }

/// Decomposed, ordered and composed characters. Inert ones pass through as `kInert`, which nothing
/// combines with or moves across, and come back in their order.
class NormalFormWriter {
 public:
  explicit NormalFormWriter(NormalForm form)
      : compatible_(form == NormalForm::kNfkc || form == NormalForm::kNfkd),
        composed_(form == NormalForm::kNfc || form == NormalForm::kNfkc) {}

  void add(char32_t c) {
    if (c == kInert || is_inert(c)) {
      points_.push_back(kInert);
      inert_.push_back(c);
      return;
    }
    const auto options = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_DECOMPOSE |
                                                        (compatible_ ? UTF8PROC_COMPAT : 0));
    utf8proc_int32_t parts[32];  // U+FDFA, the longest, has 18
    int boundary_class = 0;
    const auto count = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(c), parts, 32, options,
                                               &boundary_class);
    points_.insert(points_.end(), parts, parts + std::clamp<utf8proc_ssize_t>(count, 0, 32));
  }

  std::string finish() {
    order_canonically(points_);
    auto length = static_cast<utf8proc_ssize_t>(points_.size());
    if (composed_) {
      const auto compose = static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);
      length = utf8proc_normalize_utf32(points_.data(), length, compose);
    }
    std::string out;
    auto inert = inert_.begin();
    for (utf8proc_ssize_t i = 0; i < length; ++i) {
      append_utf8(out, points_[i] == kInert ? *inert++ : static_cast<char32_t>(points_[i]));
    }
    return out;
  }

 private:
  static constexpr utf8proc_int32_t kInert = 0xFFFC;
  bool compatible_, composed_;
  std::vector<utf8proc_int32_t> points_;
  std::vector<char32_t> inert_;
};

}  // namespace

Utf8Step step_utf8(std::string_view bytes) {
  using Kind = Utf8Step::Kind;
  const unsigned char lead = byte_at(bytes, 0);
  if (lead < 0x80) return {Kind::kValid, 1};
  if (lead < 0xC2 || lead > 0xF4) return {Kind::kInvalid, 1};
  const int length = utf8_length(bytes[0]);
  // The second byte's range is narrower after these leads (Unicode, table 3-7): no overlong forms,
  // surrogates, > U+10FFFF.
  unsigned char low = 0x80, high = 0xBF;
  if (lead == 0xE0) low = 0xA0;
  if (lead == 0xED) high = 0x9F;
  if (lead == 0xF0) low = 0x90;
  if (lead == 0xF4) high = 0x8F;
  for (int i = 1; i < length; ++i) {
    if (static_cast<std::size_t>(i) == bytes.size()) return {Kind::kIncomplete, i};
    const unsigned char next = byte_at(bytes, i);
    if (next < low || next > high) return {Kind::kInvalid, i};
    low = 0x80;
    high = 0xBF;
  }
  return {Kind::kValid, length};
}

bool is_valid_utf8(std::string_view bytes) {
  std::size_t at = 0;
  while (at < bytes.size()) {
    if (byte_at(bytes, at) < 0x80) {
      ++at;
      continue;
    }
    const Utf8Step step = step_utf8(bytes.substr(at));
    if (step.kind != Utf8Step::Kind::kValid) return false;
    at += step.length;
  }
  return true;
}

char32_t decode_utf8(std::string_view text, std::size_t at) {
  const char32_t lead = byte_at(text, at);
  const auto tail = [&](int i) { return static_cast<char32_t>(byte_at(text, at + i) & 0x3F); };
  switch (utf8_length(text[at])) {
    case 1:
      return lead;
    case 2:
      return (lead & 0x1F) << 6 | tail(1);
    case 3:
      return (lead & 0x0F) << 12 | tail(1) << 6 | tail(2);
    default:
      return (lead & 0x07) << 18 | tail(1) << 12 | tail(2) << 6 | tail(3);
  }
}

char32_t last_character(std::string_view text) {
  std::size_t at = text.size() - 1;
  while (at > 0 && (byte_at(text, at) & 0xC0) == 0x80) --at;
  return decode_utf8(text, at);
}

void append_utf8(std::string& text, char32_t character) {
  utf8proc_uint8_t bytes[4];
  const auto length = utf8proc_encode_char(static_cast<utf8proc_int32_t>(character), bytes);
  text.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(length));
}

bool is_white_space(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= '\t' && c <= '\r');
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
         c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_number(char32_t c) {
  return is_within(category(c), UTF8PROC_CATEGORY_ND, UTF8PROC_CATEGORY_NO) ||
         is_in(kNumberChanges, c);
}
bool is_punctuation(char32_t c) {
  const bool now =
      is_within(category(c), UTF8PROC_CATEGORY_PC, UTF8PROC_CATEGORY_PO) && well_known(c) == c;
  return now != is_in(kPunctuationChanges, c);
}
bool is_mark(char32_t c) {
  const bool now =
      is_within(category(c), UTF8PROC_CATEGORY_MN, UTF8PROC_CATEGORY_ME) && well_known(c) == c;
  return now != is_in(kMarkChanges, c);
}

bool is_word(char32_t c) {
  const utf8proc_category_t value = category(c);
  if (is_within(value, UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_NL)) return true;  // L, M, Nd, Nl
  if (value == UTF8PROC_CATEGORY_PC || c == 0x200C || c == 0x200D) return true;
  // Other_Alphabetic outside L, M and N: circled, squared and negative letters.
  return (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) ||
         (c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189);
}

void append_lower(std::string& text, char32_t c) {
  if (c == 0x130) {
    text += "i\xCC\x87";
    return;
  }
  const auto* added =
      std::lower_bound(std::begin(kLowerAdditions), std::end(kLowerAdditions), c,
                       [](const LowerCase& pair, char32_t value) { return pair.upper < value; });
  if (added != std::end(kLowerAdditions) && added->upper == c)
    return append_utf8(text, added->lower);
  append_utf8(text, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
}

std::string normalize(std::string_view text, NormalForm form) {
  NormalFormWriter writer(form);
  for (std::size_t at = 0; at < text.size(); at += utf8_length(text[at]))
    writer.add(decode_utf8(text, at));
  return writer.finish();
}

char32_t well_known(char32_t c) {
  static const AdditionPages pages;
  if (!pages.may_hold(c)) return c;
  const auto* found =
      std::upper_bound(std::begin(kUnicodeAdditions), std::end(kUnicodeAdditions), c,
                       [](char32_t value, const UnicodeAddition& a) { return value < a.first; });
  if (found == std::begin(kUnicodeAdditions)) return c;
  --found;
  return c <= found->last ? found->stands_for : c;
}

bool to_well_known(std::string_view text, std::string& out) {
  bool changed = false;
  for (std::size_t at = 0; at < text.size();) {
    if (byte_at(text, at) < 0x80) {
      ++at;
      continue;
    }
    const char32_t c = decode_utf8(text, at);
    const char32_t known = well_known(c);
    const int length = utf8_length(text[at]);
    if (known != c) {
      if (!changed) out.assign(text);
      changed = true;
      std::string bytes;
      append_utf8(bytes, known);
      out.replace(at, length, bytes);
    }
    at += length;
  }
  return changed;
}

}  // namespace tandem::text
