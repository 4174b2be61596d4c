#include "tandem/base/strings.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <locale>
#include <sstream>

#include "tandem/base/error.h"

namespace tandem {

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  std::size_t start = 0;
  while (true) {
    const std::size_t end = text.find(separator, start);
    parts.emplace_back(text.substr(start, end - start));
    if (end == std::string_view::npos) return parts;
    start = end + 1;
  }
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string joined;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) joined += separator;
    joined += parts[i];
  }
  return joined;
}

std::string_view trim(std::string_view text) {
  static constexpr std::string_view kSpace = " \t\r\n\v\f";
  const std::size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

std::optional<std::int64_t> parse_int(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

std::optional<double> parse_double(std::string_view text) {
  std::istringstream in{std::string(text)};
  in.imbue(std::locale::classic());
  double value = 0;
  in >> std::noskipws >> value;
  if (in.fail() || in.peek() != std::istringstream::traits_type::eof()) return std::nullopt;
  return value;
}

std::uint64_t parse_size(std::string_view text, std::string_view flag) {
  const std::size_t digits_end = text.find_first_not_of("0123456789.");
  const auto number = parse_double(text.substr(0, digits_end));
  std::string_view unit = digits_end == std::string_view::npos ? "" : text.substr(digits_end);
  if (unit.size() == 2 && unit[1] == 'B') unit.remove_suffix(1);
  if (unit.size() >= 2 && unit[1] == 'i') unit.remove_suffix(unit.size() - 1);
  static constexpr std::string_view kDecimal = "kmgt", kBinary = "KMGT";
  double factor = 1;
  bool known = unit.empty();
  for (std::size_t i = 0; i < kDecimal.size() && unit.size() == 1; ++i) {
    const double power = static_cast<double>(i) + 1;
    if (unit[0] == kDecimal[i]) factor = std::pow(1000.0, power), known = true;
    if (unit[0] == kBinary[i]) factor = std::pow(1024.0, power), known = true;
  }
  if (!number || !known || *number < 0 || *number * factor > 1e18) {
    throw Error(Code::kInvalidArgument, std::string(flag) + " " + std::string(text) +
                                            ": not a size; write bytes or a number with k, M, G or T, such as 12G");
  }
  return static_cast<std::uint64_t>(*number * factor);
}

std::string format_bytes(std::uint64_t bytes) {
  static constexpr std::array kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) value /= 1024, ++unit;
  return format(unit == 0 || value >= 100 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
}

std::string format(const char* pattern, ...) {
  va_list arguments, again;
  va_start(arguments, pattern);
  va_copy(again, arguments);
  const int size = std::vsnprintf(nullptr, 0, pattern, arguments);
  va_end(arguments);
  std::string text(static_cast<std::size_t>(size > 0 ? size : 0), '\0');
  std::vsnprintf(text.data(), text.size() + 1, pattern, again);
  va_end(again);
  return text;
}

}  // namespace tandem
