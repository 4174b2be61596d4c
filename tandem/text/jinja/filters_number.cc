// Filters on numbers, and those that turn values into numbers.
#include <charconv>
#include <cmath>

#include "tandem/base/strings.h"
#include "tandem/text/jinja/filter_tables.h"
#include "tandem/text/jinja/format.h"
#include "tandem/text/jinja/interpreter.h"
#include "tandem/text/jinja/string_operations.h"

namespace tandem::text::jinja {
namespace {

using In = const Value&;
using Args = const Arguments&;

/// Without single underscores between digits; nullopt when one stands elsewhere.
std::optional<std::string> without_underscores(std::string_view text) {
  std::string out;
  const auto is_digit_at = [&](std::size_t i) {
    return i < text.size() &&
           ((text[i] >= '0' && text[i] <= '9') || ((text[i] | 0x20) >= 'a' && (text[i] | 0x20) <= 'f'));
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      out += text[i];
    } else if (i == 0 || !is_digit_at(i - 1) || !is_digit_at(i + 1)) {
      return std::nullopt;
    }
  }
  return out;
}

/// int(text, base) of Python, for what fits 64 bits.
std::optional<std::int64_t> parse_python_int(const Text& text, std::int64_t base) {
  const Text stripped = strip(text, nullptr, Side::kBoth);
  std::string_view view = stripped.view();
  const bool is_negative = view.starts_with("-");
  if (is_negative || view.starts_with("+")) view.remove_prefix(1);
  const auto skip_prefix = [&](std::int64_t of_base, char letter) {
    const bool matches = view.size() > 2 && view[0] == '0' && (view[1] | 0x20) == letter;
    if ((base != of_base && base != 0) || !matches) return;
    base = of_base;
    view.remove_prefix(view[2] == '_' ? 3 : 2);
  };
  skip_prefix(16, 'x');
  skip_prefix(8, 'o');
  skip_prefix(2, 'b');
  if (base == 0) base = 10;
  if (base < 2 || base > 36) fail("int() base must be >= 2 and <= 36, or 0");
  std::optional<std::string> digits = without_underscores(view);
  if (!digits || digits->empty() || (*digits)[0] == '-' || (*digits)[0] == '+') return std::nullopt;
  if (is_negative) digits->insert(0, "-");
  std::int64_t number = 0;
  const auto [end, error] =
      std::from_chars(digits->data(), digits->data() + digits->size(), number, static_cast<int>(base));
  if (error == std::errc::result_out_of_range) fail("the integer " + *digits + " is too large");
  if (error != std::errc() || end != digits->data() + digits->size()) return std::nullopt;
  return number;
}

/// float(text) of Python.
std::optional<double> parse_python_float(const Text& text) {
  const Text stripped = strip(text, nullptr, Side::kBoth);
  std::string_view view = stripped.view();
  const bool is_negative = view.starts_with("-");
  if (is_negative || view.starts_with("+")) view.remove_prefix(1);
  const std::string lower = to_lower(Text(std::string(view))).bytes();
  std::optional<double> number;
  if (lower == "inf" || lower == "infinity") {
    number = HUGE_VAL;
  } else if (lower == "nan") {
    number = std::nan("");
  } else if (const auto digits = without_underscores(view);
             digits && digits->find_first_not_of("0123456789.eE+-") == std::string::npos && !digits->empty() &&
             ((*digits)[0] == '.' || ((*digits)[0] >= '0' && (*digits)[0] <= '9'))) {
    number = parse_double(*digits);
  }
  if (number && is_negative) number = -*number;
  return number;
}

std::optional<double> to_float(const Value& value) {
  check_defined(value);
  if (value.is_number()) return value.as_double();
  return value.is_string() ? parse_python_float(value.text()) : std::nullopt;
}

std::optional<std::int64_t> truncated(double number) {
  if (!(std::fabs(number) < 9.2e18)) {
    if (std::isfinite(number)) fail("the integer result is too large");
    return std::nullopt;
  }
  return static_cast<std::int64_t>(number);
}

Value int_filter(Interpreter&, In value, Args arguments) {
  const Bound bound("int", arguments, {"default", "base"});
  check_defined(value);
  if (value.is(Kind::kBigInt)) return value;
  std::optional<std::int64_t> number;
  if (value.is_integral()) number = value.as_int();
  if (value.is_string()) number = parse_python_int(value.text(), bound.integer_or(1, 10));
  if (!number) {
    if (const std::optional<double> real = to_float(value)) number = truncated(*real);
  }
  return number ? Value::integer(*number, value.origin()) : bound.value_or(0, Value::integer(0));
}

Value float_filter(Interpreter&, In value, Args arguments) {
  const Bound bound("float", arguments, {"default"});
  const std::optional<double> number = to_float(value);
  return number ? Value::number(*number, value.origin()) : bound.value_or(0, Value::number(0.0));
}

Value abs_filter(Interpreter&, In value, Args arguments) {
  const Bound bound("abs", arguments, {});
  check_defined(value);
  if (value.is(Kind::kFloat)) return Value::number(std::fabs(value.as_double()), value.origin());
  if (!value.is_integral()) fail("bad operand type for abs(): '" + std::string(type_name(value)) + "'");
  if (value.as_int() == INT64_MIN) fail("the integer result is too large");
  return Value::integer(std::abs(value.as_int()), value.origin());
}

/// round(number, digits) of Python: correct for every digit count, half to even where the number is exactly
/// between.
double round_decimal(double number, std::int64_t digits) {
  if (!std::isfinite(number) || digits > 22) return number;
  if (digits < -300) return std::copysign(0.0, number);
  if (digits >= 0) return std::strtod(format("%.*f", static_cast<int>(digits), number).c_str(), nullptr);
  const double scale = std::pow(10.0, static_cast<double>(-digits));
  return std::nearbyint(number / scale) * scale;
}

/// Rounds an integer to tens, hundreds, …, half to even.
std::int64_t round_integer(std::int64_t number, std::int64_t digits) {
  if (digits >= 0) return number;
  if (digits < -18) return 0;
  std::int64_t scale = 1;
  for (std::int64_t i = digits; i < 0; ++i) scale *= 10;
  const std::int64_t rest = ((number % scale) + scale) % scale;
  const std::int64_t below = number - rest;
  const bool up = rest * 2 > scale || (rest * 2 == scale && (below / scale) % 2 != 0);
  return up ? below + scale : below;
}

Value round_filter(Interpreter&, In value, Args arguments) {
  const Bound bound("round", arguments, {"precision", "method"});
  check_defined(value);
  const std::string method = bound.has(1) ? bound.text(1).bytes() : "common";
  if (method != "common" && method != "ceil" && method != "floor") fail("method must be common, ceil or floor");
  if (!value.is_number()) fail("type " + std::string(type_name(value)) + " doesn't define __round__ method");
  const std::int64_t digits = bound.integer_or(0, 0);
  if (method == "common") {
    if (value.is_integral()) return Value::integer(round_integer(value.as_int(), digits), value.origin());
    return Value::number(round_decimal(value.as_double(), digits), value.origin());
  }
  const double scale = std::pow(10.0, static_cast<double>(digits));
  const double scaled = value.as_double() * scale;
  return Value::number((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale, value.origin());
}

constexpr FilterEntry kFilters[] = {
    {"int", int_filter}, {"float", float_filter}, {"abs", abs_filter}, {"round", round_filter}};

}  // namespace

std::span<const FilterEntry> number_filters() { return kFilters; }

}  // namespace tandem::text::jinja
