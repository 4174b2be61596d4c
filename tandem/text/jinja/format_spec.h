// One field of Python's formatting languages: sign, width, precision, type. Shared by `%` and str.format.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tandem/text/jinja/value.h"

namespace tandem::text::jinja {

struct FormatSpec {
  std::string fill = " ";  ///< one character
  char align = '\0';       ///< '<', '>', '^', '=' or none
  char sign = '-';         ///< '-', '+' or ' '
  bool alternate = false;  ///< '#'
  char grouping = '\0';    ///< ',' or '_'
  std::int64_t width = 0;
  std::int64_t precision = -1;
  char type = '\0';
};

/// Widths and precisions past this are an error.
inline constexpr std::int64_t kMaxFieldWidth = 100'000;

/// A decimal number at `place`, which moves behind it; -1 when there is none.
std::int64_t parse_field_number(std::string_view text, std::size_t& place);
/// The spec after the colon of a replacement field.
FormatSpec parse_format_spec(std::string_view spec);
/// A bool, int or float by `spec`, padded.
std::string format_number(const Value& value, const FormatSpec& spec);
/// A string by `spec`: cut to the precision, padded, origins kept.
Text format_text(Heap& heap, const Text& text, const FormatSpec& spec);

}  // namespace tandem::text::jinja
