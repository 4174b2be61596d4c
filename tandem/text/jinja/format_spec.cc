#include "tandem/text/jinja/format_spec.h"

#include <algorithm>
#include <cmath>

#include "tandem/base/strings.h"
#include "tandem/text/jinja/format.h"
#include "tandem/text/jinja/string_operations.h"
#include "tandem/text/jinja/unicode.h"

namespace tandem::text::jinja {
namespace {

bool is_align(char c) { return c == '<' || c == '>' || c == '^' || c == '='; }

/// Groups the digits of the whole part from the right.
std::string group_digits(const std::string& number, char separator, std::size_t size) {
  const std::size_t whole = std::min(number.find_first_not_of("0123456789abcdefABCDEF"), number.size());
  std::string out;
  for (std::size_t i = 0; i < whole; ++i) {
    if (i > 0 && (whole - i) % size == 0) out += separator;
    out += number[i];
  }
  return out + number.substr(whole);
}

std::string integer_digits(std::uint64_t magnitude, int base) {
  if (magnitude == 0) return "0";
  std::string digits;
  for (; magnitude > 0; magnitude /= static_cast<std::uint64_t>(base)) {
    digits += "0123456789abcdef"[magnitude % static_cast<std::uint64_t>(base)];
  }
  std::reverse(digits.begin(), digits.end());
  return digits;
}

std::string to_upper_ascii(std::string text) {
  for (char& c : text) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  return text;
}

/// The magnitude of an integer, and its prefix ("0x").
std::string integer_body(std::int64_t value, const FormatSpec& spec, std::string& prefix) {
  const std::uint64_t magnitude =
      value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  const int base = spec.type == 'b' ? 2 : spec.type == 'o' ? 8 : spec.type == 'x' || spec.type == 'X' ? 16 : 10;
  if (spec.alternate && base != 10) prefix = std::string("0") + spec.type;
  const std::string digits = integer_digits(magnitude, base);
  return spec.type == 'X' ? to_upper_ascii(digits) : digits;
}

/// The magnitude of a float.
std::string float_body(double value, const FormatSpec& spec) {
  const double magnitude = std::fabs(value);
  const char type = spec.type == 'n' ? 'g' : spec.type;
  std::string body;
  if (std::isnan(magnitude) || std::isinf(magnitude)) {
    body = std::isnan(magnitude) ? "nan" : "inf";
    if (type == '%') body += '%';
    return type == 'F' || type == 'E' || type == 'G' ? to_upper_ascii(body) : body;
  }
  const int precision = spec.precision < 0 ? 6 : static_cast<int>(spec.precision);
  switch (type) {
    case 'e': return format("%.*e", precision, magnitude);
    case 'E': return format("%.*E", precision, magnitude);
    case 'f':
    case 'F': return format("%.*f", precision, magnitude);
    case 'g': return format(spec.alternate ? "%#.*g" : "%.*g", std::max(precision, 1), magnitude);
    case 'G': return format(spec.alternate ? "%#.*G" : "%.*G", std::max(precision, 1), magnitude);
    case '%': return format("%.*f", precision, magnitude * 100) + "%";
    default: break;
  }
  if (spec.precision < 0) return float_repr(magnitude);
  // Without a type: as 'g', with at least one digit after the point.
  body = format("%.*g", std::max(precision, 1), magnitude);
  return body.find_first_of(".e") == std::string::npos ? body + ".0" : body;
}

std::size_t characters(const std::string& text) { return count_characters(text); }

std::string repeat(const std::string& text, std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += text;
  return out;
}

}  // namespace

std::int64_t parse_field_number(std::string_view text, std::size_t& place) {
  std::int64_t value = -1;
  for (; place < text.size() && text[place] >= '0' && text[place] <= '9'; ++place) {
    value = std::max<std::int64_t>(value, 0) * 10 + (text[place] - '0');
    if (value > kMaxFieldWidth) fail("a width or precision in a format is too large");
  }
  return value;
}

FormatSpec parse_format_spec(std::string_view spec) {
  FormatSpec result;
  std::size_t i = 0;
  const auto skip = [&](char c) {
    if (i >= spec.size() || spec[i] != c) return false;
    ++i;
    return true;
  };
  const std::size_t fill_size = spec.empty() ? 0 : character_size(spec, 0);
  if (fill_size > 0 && fill_size < spec.size() && is_align(spec[fill_size])) {
    result.fill = spec.substr(0, fill_size);
    result.align = spec[fill_size];
    i = fill_size + 1;
  } else if (!spec.empty() && is_align(spec[0])) {
    result.align = spec[i++];
  }
  if (i < spec.size() && (spec[i] == '+' || spec[i] == '-' || spec[i] == ' ')) result.sign = spec[i++];
  result.alternate = skip('#');
  if (skip('0')) {
    if (fill_size == 0 || result.align == '\0') result.fill = "0";
    if (result.align == '\0') result.align = '=';
  }
  result.width = std::max<std::int64_t>(parse_field_number(spec, i), 0);
  if (i < spec.size() && (spec[i] == ',' || spec[i] == '_')) result.grouping = spec[i++];
  if (skip('.')) {
    result.precision = parse_field_number(spec, i);
    if (result.precision < 0) fail("Format specifier missing precision");
  }
  if (i < spec.size()) result.type = spec[i++];
  if (i < spec.size()) fail("Invalid format specifier '" + std::string(spec) + "'");
  return result;
}

std::string format_number(const Value& value, const FormatSpec& given) {
  FormatSpec spec = given;
  const bool wants_float =
      spec.type != '\0' && std::string_view("eEfFgG%").find(spec.type) != std::string_view::npos;
  const bool wants_integer =
      spec.type != '\0' && std::string_view("bdoxXn").find(spec.type) != std::string_view::npos;
  const bool is_float = value.is(Kind::kFloat) || wants_float;
  if (!wants_float && !(wants_integer && !value.is(Kind::kFloat)) && spec.type != '\0' &&
      !(spec.type == 'n' && is_float)) {
    fail(std::string("Unknown format code '") + spec.type + "' for object of type '" +
         std::string(type_name(value)) + "'");
  }
  std::string prefix, body;
  bool is_negative = false;
  if (is_float) {
    is_negative = std::signbit(value.as_double()) && !std::isnan(value.as_double());
    body = float_body(value.as_double(), spec);
  } else {
    if (spec.precision >= 0) fail("Precision not allowed in integer format specifier");
    is_negative = value.as_int() < 0;
    body = integer_body(value.as_int(), spec, prefix);
  }
  const bool is_decimal_type =
      std::string_view("box X").find(spec.type) == std::string_view::npos || spec.type == '\0';
  if (spec.grouping != '\0') body = group_digits(body, spec.grouping, is_decimal_type ? 3 : 4);
  const std::string sign = is_negative ? "-" : spec.sign == '-' ? "" : std::string(1, spec.sign);
  const std::size_t size = sign.size() + prefix.size() + characters(body);
  const std::size_t missing =
      static_cast<std::size_t>(spec.width) > size ? static_cast<std::size_t>(spec.width) - size : 0;
  const std::string text = sign + prefix + body;
  switch (spec.align) {
    case '<': return text + repeat(spec.fill, missing);
    case '^': return repeat(spec.fill, missing / 2) + text + repeat(spec.fill, missing - missing / 2);
    case '=': return sign + prefix + repeat(spec.fill, missing) + body;
    default: return repeat(spec.fill, missing) + text;
  }
}

Text format_text(Heap& heap, const Text& text, const FormatSpec& spec) {
  if (spec.type != '\0' && spec.type != 's') {
    fail(std::string("Unknown format code '") + spec.type + "' for object of type 'str'");
  }
  if (spec.align == '=' && spec.fill != "0") fail("'=' alignment not allowed in string format specifier");
  const Text cut =
      spec.precision < 0 ? text : text.slice(0, text.offset_of(static_cast<std::size_t>(spec.precision)));
  const auto length = static_cast<std::int64_t>(cut.length());
  if (spec.align != '^')
    return pad(heap, cut, spec.width, Text(spec.fill), spec.align == '>' ? Side::kRight : Side::kLeft);
  const std::int64_t missing = std::max<std::int64_t>(spec.width - length, 0);
  const Text left = pad(heap, cut, length + missing / 2, Text(spec.fill), Side::kRight);
  return pad(heap, left, spec.width, Text(spec.fill), Side::kLeft);
}

}  // namespace tandem::text::jinja
