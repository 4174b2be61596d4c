#include "tandem/text/jinja/unicode.h"

#include <utf8proc.h>

#include <algorithm>

namespace tandem::text::jinja {
namespace {

/// Upper and title case that are more than one character; utf8proc maps one to one.
struct SpecialCase {
  std::uint32_t code_point;
  const char* upper;
  const char* title;
};
constexpr SpecialCase kSpecialCases[] = {
#include "tandem/text/jinja/special_casing.inc"
};

const SpecialCase* special_case(std::uint32_t code_point) {
  const auto* end = std::end(kSpecialCases);
  const auto* found = std::lower_bound(std::begin(kSpecialCases), end, code_point,
                                       [](const SpecialCase& entry, std::uint32_t value) {
                                         return entry.code_point < value;
                                       });
  return found != end && found->code_point == code_point ? found : nullptr;
}

utf8proc_category_t category(std::uint32_t code_point) {
  return utf8proc_category(static_cast<utf8proc_int32_t>(code_point));
}

std::string encoded(utf8proc_int32_t code_point) {
  std::string out;
  append_utf8(out, static_cast<std::uint32_t>(code_point));
  return out;
}

bool is_continuation(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

}  // namespace

std::size_t character_size(std::string_view text, std::size_t byte) {
  std::size_t end = byte + 1;
  if (static_cast<unsigned char>(text[byte]) >= 0xC0) {
    while (end < text.size() && end < byte + 4 && is_continuation(text[end])) ++end;
  }
  return end - byte;
}

std::uint32_t code_point_at(std::string_view text, std::size_t byte) {
  const auto lead = static_cast<unsigned char>(text[byte]);
  if (lead < 0x80) return lead;
  utf8proc_int32_t code_point = -1;
  const auto size = static_cast<utf8proc_ssize_t>(std::min<std::size_t>(text.size() - byte, 4));
  utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data() + byte), size, &code_point);
  return code_point < 0 ? 0xFFFD : static_cast<std::uint32_t>(code_point);
}

std::size_t count_characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !is_continuation(c); }));
}

void append_utf8(std::string& out, std::uint32_t code_point) {
  if (code_point > 0x10FFFF || (code_point >= 0xD800 && code_point < 0xE000)) code_point = 0xFFFD;
  utf8proc_uint8_t bytes[4];
  const auto size = utf8proc_encode_char(static_cast<utf8proc_int32_t>(code_point), bytes);
  out.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
}

bool is_valid_utf8(std::string_view text) {
  for (std::size_t byte = 0; byte < text.size();) {
    if (static_cast<unsigned char>(text[byte]) < 0x80) {
      ++byte;
      continue;
    }
    utf8proc_int32_t code_point = -1;
    const auto left = static_cast<utf8proc_ssize_t>(std::min<std::size_t>(text.size() - byte, 4));
    const auto size =
        utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data() + byte), left, &code_point);
    if (size <= 0) return false;
    byte += static_cast<std::size_t>(size);
  }
  return true;
}

bool is_space(std::uint32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x1F);
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
         c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_printable(std::uint32_t c) {
  if (c < 0x80) return c >= 0x20 && c < 0x7F;
  switch (category(c)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS:
      return false;
    default:
      return true;
  }
}

bool is_alphabetic(std::uint32_t c) {
  const auto kind = category(c);
  return kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_LO;
}

bool is_identifier_start(std::uint32_t c) {
  return c == '_' || is_alphabetic(c) || category(c) == UTF8PROC_CATEGORY_NL;
}

bool is_identifier_part(std::uint32_t c) {
  const auto kind = category(c);
  return is_identifier_start(c) || kind == UTF8PROC_CATEGORY_ND || kind == UTF8PROC_CATEGORY_MN ||
         kind == UTF8PROC_CATEGORY_MC || kind == UTF8PROC_CATEGORY_PC;
}

bool is_decimal(std::uint32_t c) { return category(c) == UTF8PROC_CATEGORY_ND; }

bool is_digit(std::uint32_t c) {
  if (is_decimal(c)) return true;
  const auto between = [c](std::uint32_t first, std::uint32_t last) { return c >= first && c <= last; };
  return c == 0xB2 || c == 0xB3 || c == 0xB9 || between(0x1369, 0x1371) || c == 0x19DA || c == 0x2070 ||
         between(0x2074, 0x2079) || between(0x2080, 0x2089) || between(0x2460, 0x2468) ||
         between(0x2474, 0x247C) || between(0x2488, 0x2490) || c == 0x24EA || between(0x24F5, 0x24FD) ||
         c == 0x24FF || between(0x2776, 0x277E) || between(0x2780, 0x2788) || between(0x278A, 0x2792) ||
         between(0x10A40, 0x10A43) || between(0x10E60, 0x10E68) || between(0x11052, 0x1105A) ||
         between(0x1F100, 0x1F10A);
}

bool is_numeric(std::uint32_t c) {
  const auto kind = category(c);
  return kind == UTF8PROC_CATEGORY_ND || kind == UTF8PROC_CATEGORY_NL || kind == UTF8PROC_CATEGORY_NO;
}

bool is_upper(std::uint32_t c) {
  if (c < 0x80) return c >= 'A' && c <= 'Z';
  return utf8proc_isupper(static_cast<utf8proc_int32_t>(c)) != 0;
}

bool is_lower(std::uint32_t c) {
  if (c < 0x80) return c >= 'a' && c <= 'z';
  return utf8proc_islower(static_cast<utf8proc_int32_t>(c)) != 0;
}

bool is_title(std::uint32_t c) { return category(c) == UTF8PROC_CATEGORY_LT; }

bool is_cased(std::uint32_t c) { return is_upper(c) || is_lower(c) || is_title(c); }

std::string to_upper(std::uint32_t c) {
  if (const SpecialCase* special = special_case(c)) return special->upper;
  return encoded(utf8proc_toupper(static_cast<utf8proc_int32_t>(c)));
}

std::string to_lower(std::uint32_t c) {
  constexpr std::uint32_t kCapitalIWithDot = 0x130;  // the one character whose lower case is two
  if (c == kCapitalIWithDot) return "i\xCC\x87";
  return encoded(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
}

std::string to_title(std::uint32_t c) {
  if (const SpecialCase* special = special_case(c)) return special->title;
  return encoded(utf8proc_totitle(static_cast<utf8proc_int32_t>(c)));
}

}  // namespace tandem::text::jinja
