#include "tandem/text/jinja/operators.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "tandem/text/jinja/format.h"
#include "tandem/text/jinja/unicode.h"

namespace tandem::text::jinja {
namespace {

constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();

std::string_view symbol(BinaryOp op) {
  switch (op) {
    case BinaryOp::kAdd: return "+";
    case BinaryOp::kSubtract: return "-";
    case BinaryOp::kMultiply: return "*";
    case BinaryOp::kDivide: return "/";
    case BinaryOp::kFloorDivide: return "//";
    case BinaryOp::kModulo: return "%";
    case BinaryOp::kPower: return "** or pow()";
  }
  return "?";
}

Origin either(const Value& a, const Value& b) {
  return a.origin() == Origin::kRequest || b.origin() == Origin::kRequest ? Origin::kRequest
                                                                          : Origin::kTemplate;
}

[[noreturn]] void fail_overflow() { fail("the integer result is too large"); }

std::int64_t floor_divide(std::int64_t a, std::int64_t b) {
  if (a == kMin && b == -1) fail_overflow();
  const std::int64_t quotient = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

std::int64_t floor_modulo(std::int64_t a, std::int64_t b) {
  if (b == -1) return 0;
  const std::int64_t rest = a % b;
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

std::int64_t integer_power(std::int64_t base, std::int64_t exponent) {
  std::int64_t result = 1;
  while (exponent > 0) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) fail_overflow();
    exponent >>= 1;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) fail_overflow();
  }
  return result;
}

Value integer_binary(BinaryOp op, std::int64_t a, std::int64_t b, Origin origin) {
  std::int64_t result = 0;
  bool overflows = false;
  switch (op) {
    case BinaryOp::kAdd: overflows = __builtin_add_overflow(a, b, &result); break;
    case BinaryOp::kSubtract: overflows = __builtin_sub_overflow(a, b, &result); break;
    case BinaryOp::kMultiply: overflows = __builtin_mul_overflow(a, b, &result); break;
    case BinaryOp::kDivide:
      if (b == 0) fail("division by zero");
      return Value::number(static_cast<double>(a) / static_cast<double>(b), origin);
    case BinaryOp::kFloorDivide:
      if (b == 0) fail("integer division or modulo by zero");
      result = floor_divide(a, b);
      break;
    case BinaryOp::kModulo:
      if (b == 0) fail("integer modulo by zero");
      result = floor_modulo(a, b);
      break;
    case BinaryOp::kPower:
      if (b < 0 && a == 0) fail("0.0 cannot be raised to a negative power");
      if (b < 0) return Value::number(std::pow(static_cast<double>(a), static_cast<double>(b)), origin);
      result = integer_power(a, b);
      break;
  }
  if (overflows) fail_overflow();
  return Value::integer(result, origin);
}

double float_modulo(double a, double b) {
  const double rest = std::fmod(a, b);
  if (rest == 0.0) return std::copysign(0.0, b);
  return (rest < 0) != (b < 0) ? rest + b : rest;
}

double float_floor_divide(double a, double b) {
  const double quotient = (a - float_modulo(a, b)) / b;
  if (quotient == 0.0) return std::copysign(0.0, a / b);
  const double floor = std::floor(quotient);
  return quotient - floor > 0.5 ? floor + 1.0 : floor;  // rounding may have left it just under a whole number
}

Value float_binary(BinaryOp op, double a, double b, Origin origin) {
  const bool divides = op == BinaryOp::kDivide || op == BinaryOp::kFloorDivide || op == BinaryOp::kModulo;
  if (divides && b == 0.0) fail("float division by zero");
  double result = 0;
  switch (op) {
    case BinaryOp::kAdd: result = a + b; break;
    case BinaryOp::kSubtract: result = a - b; break;
    case BinaryOp::kMultiply: result = a * b; break;
    case BinaryOp::kDivide: result = a / b; break;
    case BinaryOp::kFloorDivide: result = float_floor_divide(a, b); break;
    case BinaryOp::kModulo: result = float_modulo(a, b); break;
    case BinaryOp::kPower:
      if (a == 0.0 && b < 0) fail("0.0 cannot be raised to a negative power");
      if (a < 0 && b != std::floor(b)) fail("complex numbers are not supported");
      result = std::pow(a, b);
      if (std::isinf(result) && !std::isinf(a) && !std::isinf(b)) fail("the result is too large");
      break;
  }
  return Value::number(result, origin);
}

Value add_strings(Heap& heap, const Text& a, const Text& b) {
  heap.check_text_size(a.size() + b.size());
  const bool is_markup = a.is_markup() || b.is_markup();
  TextBuilder builder;
  builder.append(is_markup ? escape_html(a) : a);
  builder.append(is_markup ? escape_html(b) : b);
  return heap.string(is_markup ? builder.take().as_markup(true) : builder.take());
}

Value add_lists(Heap& heap, const Value& a, const Value& b) {
  heap.spend((a.list().items.size() + b.list().items.size()) / 4);
  std::vector<Value> items;
  items.reserve(a.list().items.size() + b.list().items.size());
  items.insert(items.end(), a.list().items.begin(), a.list().items.end());
  items.insert(items.end(), b.list().items.begin(), b.list().items.end());
  // A list that the template puts together is its own; the items keep their origins.
  return a.is(Kind::kTuple) ? heap.tuple(std::move(items)) : heap.list(std::move(items));
}

/// How often a sequence of `size` may be repeated within the heap's bounds.
std::int64_t checked_repeat(Heap& heap, std::int64_t count, std::size_t size) {
  count = std::max<std::int64_t>(count, 0);
  if (size == 0) return 0;
  if (static_cast<std::uint64_t>(count) > (std::uint64_t{1} << 40)) fail("the repeated sequence is too large");
  heap.check_text_size(static_cast<std::size_t>(count) * size);
  return count;
}

Value repeat(Heap& heap, const Value& sequence, std::int64_t count) {
  if (sequence.is_string()) {
    const Text& text = sequence.text();
    count = checked_repeat(heap, count, text.size());
    TextBuilder builder;
    for (std::int64_t i = 0; i < count; ++i) builder.append(text);
    return heap.string(builder.take().as_markup(text.is_markup()));
  }
  const std::vector<Value>& items = sequence.list().items;
  count = checked_repeat(heap, count, items.size());
  heap.spend(static_cast<std::uint64_t>(count) * items.size());
  std::vector<Value> repeated;
  for (std::int64_t i = 0; i < count; ++i) repeated.insert(repeated.end(), items.begin(), items.end());
  return sequence.is(Kind::kTuple) ? heap.tuple(std::move(repeated)) : heap.list(std::move(repeated));
}

}  // namespace

Value apply_binary(Heap& heap, BinaryOp op, const Value& a, const Value& b) {
  if (a.is_integral() && b.is_integral()) return integer_binary(op, a.as_int(), b.as_int(), either(a, b));
  if (a.is_number() && b.is_number()) return float_binary(op, a.as_double(), b.as_double(), either(a, b));
  if (op == BinaryOp::kModulo && a.is_string()) return heap.string(percent_format(heap, a.text(), b));
  check_defined(a);
  check_defined(b);
  if (op == BinaryOp::kAdd) {
    if (a.is_string() && b.is_string()) return add_strings(heap, a.text(), b.text());
    if (a.is_sequence() && a.kind() == b.kind()) return add_lists(heap, a, b);
    if (a.is_string()) fail("can only concatenate str (not \"" + std::string(type_name(b)) + "\") to str");
  }
  if (op == BinaryOp::kMultiply) {
    if ((a.is_string() || a.is_sequence()) && b.is_integral()) return repeat(heap, a, b.as_int());
    if (a.is_integral() && (b.is_string() || b.is_sequence())) return repeat(heap, b, a.as_int());
  }
  fail("unsupported operand type(s) for " + std::string(symbol(op)) + ": '" + std::string(type_name(a)) +
       "' and '" + std::string(type_name(b)) + "'");
}

Value apply_sign(const Value& a, bool negate) {
  check_defined(a);
  if (a.is(Kind::kFloat)) return Value::number(negate ? -a.as_double() : a.as_double(), a.origin());
  if (!a.is_integral()) {
    fail(std::string("bad operand type for unary ") + (negate ? "-" : "+") + ": '" + std::string(type_name(a)) +
         "'");
  }
  if (negate && a.as_int() == kMin) fail_overflow();
  return Value::integer(negate ? -a.as_int() : a.as_int(), a.origin());
}

bool apply_compare(Heap& heap, CompareOp op, const Value& a, const Value& b) {
  heap.spend();
  switch (op) {
    case CompareOp::kEqual: return equal(heap, a, b);
    case CompareOp::kNotEqual: return !equal(heap, a, b);
    case CompareOp::kIn: return contains(heap, b, a);
    case CompareOp::kNotIn: return !contains(heap, b, a);
    default: break;
  }
  const bool is_nan =
      (a.is(Kind::kFloat) && std::isnan(a.as_double())) || (b.is(Kind::kFloat) && std::isnan(b.as_double()));
  switch (op) {
    case CompareOp::kLess: return compare(heap, a, b, "<") < 0 && !is_nan;
    case CompareOp::kLessEqual: return compare(heap, a, b, "<=") <= 0 && !is_nan;
    case CompareOp::kGreater: return compare(heap, a, b, ">") > 0 && !is_nan;
    default: return compare(heap, a, b, ">=") >= 0 && !is_nan;
  }
}

SliceRange slice_range(std::int64_t length, std::optional<std::int64_t> start, std::optional<std::int64_t> stop,
                       std::optional<std::int64_t> step_or_none) {
  const std::int64_t step = step_or_none.value_or(1);
  if (step == 0) fail("slice step cannot be zero");
  const std::int64_t lowest = step > 0 ? 0 : -1, highest = step > 0 ? length : length - 1;
  const auto bound = [&](std::optional<std::int64_t> index, std::int64_t otherwise) {
    if (!index) return otherwise;
    return std::clamp(*index < 0 ? *index + length : *index, lowest, highest);
  };
  const std::int64_t first = bound(start, step > 0 ? lowest : highest);
  const std::int64_t last = bound(stop, step > 0 ? highest : lowest);
  const std::int64_t distance = step > 0 ? last - first : first - last;
  // Steps past the length all mean "one item": clamped, nothing below overflows.
  const std::int64_t stride = std::clamp<std::int64_t>(step, -(length + 1), length + 1);
  const std::int64_t magnitude = stride > 0 ? stride : -stride;
  return {first, distance > 0 ? (distance - 1) / magnitude + 1 : 0, stride};
}

Value slice_value(Heap& heap, const Value& value, std::optional<std::int64_t> start,
                  std::optional<std::int64_t> stop, std::optional<std::int64_t> step) {
  check_defined(value);
  if (value.is_string()) {
    const Text& text = value.text();
    const SliceRange range = slice_range(static_cast<std::int64_t>(text.length()), start, stop, step);
    if (!text.is_ascii()) heap.spend(text.size() / 64);
    if (range.count == 0) return heap.string(Text().as_markup(text.is_markup()));
    if (range.step == 1) {
      const std::size_t begin = text.offset_of(static_cast<std::size_t>(range.start));
      const std::size_t end = text.is_ascii()
                                  ? begin + static_cast<std::size_t>(range.count)
                                  : text.offset_of(static_cast<std::size_t>(range.start + range.count));
      return heap.string(text.slice(begin, end));
    }
    const std::vector<Value> characters = iterate(heap, value);
    TextBuilder builder;
    for (std::int64_t i = 0; i < range.count; ++i) {
      builder.append(characters[static_cast<std::size_t>(range.start + i * range.step)].text());
    }
    return heap.string(builder.take().as_markup(text.is_markup()));
  }
  if (!value.is_sequence() && !value.is(Kind::kRange)) {
    fail("'" + std::string(type_name(value)) + "' object is not subscriptable");
  }
  const std::vector<Value> items = iterate(heap, value);
  const SliceRange range = slice_range(static_cast<std::int64_t>(items.size()), start, stop, step);
  std::vector<Value> taken;
  for (std::int64_t i = 0; i < range.count; ++i)
    taken.push_back(items[static_cast<std::size_t>(range.start + i * range.step)]);
  return value.is(Kind::kTuple) ? heap.tuple(std::move(taken), value.origin())
                                : heap.list(std::move(taken), value.origin());
}

}  // namespace tandem::text::jinja
