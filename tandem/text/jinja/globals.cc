#include "tandem/text/jinja/globals.h"

#include <array>
#include <cstdlib>

#include "tandem/base/error.h"
#include "tandem/text/jinja/format.h"

namespace tandem::text::jinja {
namespace {

/// The sandbox's bound on range().
constexpr std::int64_t kMaxRange = 100'000;

Value call_range(Interpreter& interpreter, const Value&, const Arguments& arguments) {
  const Bound bound("range", arguments, {"start", "stop", "step"});
  auto* range = interpreter.heap().make<RangeObject>();
  const bool only_stop = !bound.has(1);
  bound.at(0);
  range->start = only_stop ? 0 : bound.integer_or(0, 0);
  range->stop = bound.integer_or(only_stop ? 0 : 1, 0);
  range->step = bound.integer_or(2, 1);
  if (range->step == 0) fail("range() arg 3 must not be zero");
  constexpr std::int64_t kFar = std::int64_t{1} << 60;  // beyond it the sizes below could overflow
  const auto is_far = [](std::int64_t value) { return value > kFar || value < -kFar; };
  if (is_far(range->start) || is_far(range->stop) || is_far(range->step) || range->size() > kMaxRange) {
    fail("Range too big. The sandbox blocks ranges larger than MAX_RANGE (" + std::to_string(kMaxRange) + ").");
  }
  return Value::object(Kind::kRange, range);
}

/// dict(mapping or pairs, name=value…).
void fill_dict(Interpreter& interpreter, Dict& dict, const Arguments& arguments, std::string_view callee) {
  Heap& heap = interpreter.heap();
  if (arguments.positional.size() > 1) fail(std::string(callee) + " expected at most 1 argument");
  if (!arguments.positional.empty()) {
    const Value& source = arguments.positional[0];
    check_defined(source);
    if (source.is_dict()) {
      dict.items = source.dict().items;
      dict.origin = source.dict().origin;
    } else {
      for (const Value& pair : iterate(heap, source)) {
        const std::vector<Value> parts = iterate(heap, pair);
        if (parts.size() != 2) fail("dictionary update sequence element must have length 2");
        check_hashable(parts[0]);
        dict.set(parts[0], parts[1]);
      }
    }
  }
  for (const auto& [name, value] : arguments.named) dict.set(heap.string(name), value);
  heap.spend_memory(dict.items.size() * 2 * sizeof(Value));
}

Value call_dict(Interpreter& interpreter, const Value&, const Arguments& arguments) {
  const Value result = interpreter.heap().dict();
  fill_dict(interpreter, result.dict(), arguments, "dict");
  return result;
}

Value call_namespace(Interpreter& interpreter, const Value&, const Arguments& arguments) {
  auto* attributes = interpreter.heap().make<Dict>();
  fill_dict(interpreter, *attributes, arguments, "namespace");
  for (const auto& [name, value] : attributes->items) {
    if (name.is_string() && name.text().view().starts_with("_")) {
      fail("chat templates cannot store underscore-prefixed attributes on a namespace");
    }
  }
  return Value::object(Kind::kNamespace, attributes);
}

Value call_cycler(Interpreter& interpreter, const Value&, const Arguments& arguments) {
  if (arguments.positional.empty()) fail("at least one item has to be provided");
  auto* cycler = interpreter.heap().make<CyclerObject>();
  cycler->items = arguments.positional;
  return Value::object(Kind::kCycler, cycler);
}

Value call_joiner(Interpreter& interpreter, const Value&, const Arguments& arguments) {
  const Bound bound("joiner", arguments, {"sep"});
  auto* joiner = interpreter.heap().make<JoinerObject>();
  joiner->separator = bound.has(0) ? bound.at(0) : interpreter.heap().string(", ");
  return Value::object(Kind::kJoiner, joiner);
}

Value call_raise_exception(Interpreter& interpreter, const Value&, const Arguments& arguments) {
  const Bound bound("raise_exception", arguments, {"message"});
  throw Error(Code::kInvalidArgument, to_text(interpreter.heap(), bound.at(0)).bytes());
}

Value call_strftime_now(Interpreter& interpreter, const Value&, const Arguments& arguments) {
  const Bound bound("strftime_now", arguments, {"format"});
  const std::string& format = bound.text(0).bytes();
  if (format.size() > 200) fail("strftime_now(): the format is too long");
  const std::time_t now = interpreter.now();
  std::tm local{};
  localtime_r(&now, &local);
  std::array<char, 4096> out;
  const std::size_t size = std::strftime(out.data(), out.size(), format.c_str(), &local);
  return interpreter.heap().string(std::string_view(out.data(), size), bound.text(0).origin());
}

}  // namespace

void define_globals(Interpreter& interpreter) {
  interpreter.define_function("range", call_range);
  interpreter.define_function("dict", call_dict);
  interpreter.define_function("namespace", call_namespace);
  interpreter.define_function("cycler", call_cycler);
  interpreter.define_function("joiner", call_joiner);
  interpreter.define_function("raise_exception", call_raise_exception);
  interpreter.define_function("strftime_now", call_strftime_now);
}

}  // namespace tandem::text::jinja
