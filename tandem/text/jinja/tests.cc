// Jinja's tests: what may follow `is`.
#include <map>

#include "tandem/text/jinja/filters.h"
#include "tandem/text/jinja/format.h"
#include "tandem/text/jinja/interpreter.h"
#include "tandem/text/jinja/methods.h"
#include "tandem/text/jinja/operators.h"

namespace tandem::text::jinja {
namespace {

using In = const Value&;
using Args = const Arguments&;

template <bool (*holds)(const Value&)>
bool plain_test(Interpreter&, In value, Args arguments) {
  const Bound bound("test", arguments, {});
  return holds(value);
}

bool is_defined(const Value& value) { return !value.is_undefined(); }
bool is_undefined(const Value& value) { return value.is_undefined(); }
bool is_none(const Value& value) { return value.is_none(); }
bool is_boolean(const Value& value) { return value.is(Kind::kBool); }
bool is_true_constant(const Value& value) { return value.is(Kind::kBool) && value.as_bool(); }
bool is_false_constant(const Value& value) { return value.is(Kind::kBool) && !value.as_bool(); }
bool is_integer(const Value& value) { return value.is(Kind::kInt) || value.is(Kind::kBigInt); }
bool is_float(const Value& value) { return value.is(Kind::kFloat); }
bool is_number(const Value& value) { return value.is_number() || value.is(Kind::kBigInt); }
bool is_string(const Value& value) { return value.is_string(); }
bool is_mapping(const Value& value) { return value.is_dict(); }
bool is_iterable_value(const Value& value) { return is_iterable(value); }
/// What has a length and can be indexed: dicts and undefined values too, as in Jinja.
bool is_sequence(const Value& value) { return length_of(value).has_value() && !value.is(Kind::kView); }
bool is_markup(const Value& value) { return value.is_string() && value.text().is_markup(); }
bool is_callable(const Value& value) {
  return value.is(Kind::kFunction) || value.is(Kind::kMacro) || value.is(Kind::kLoop) ||
         value.is(Kind::kJoiner) || value.is_undefined();
}

template <CompareOp op>
bool compare_test(Interpreter& interpreter, In value, Args arguments) {
  const Bound bound("comparison", arguments, {"other"});
  return apply_compare(interpreter.heap(), op, value, bound.at(0));
}

bool in_test(Interpreter& interpreter, In value, Args arguments) {
  const Bound bound("in", arguments, {"seq"});
  return contains(interpreter.heap(), bound.at(0), value);
}

bool same_as_test(Interpreter& interpreter, In value, Args arguments) {
  const Bound bound("sameas", arguments, {"other"});
  const Value& other = bound.at(0);
  if (value.kind() != other.kind()) return false;
  if (value.is_sequence() || value.is_dict()) return value.object() == other.object();
  return equal(interpreter.heap(), value, other);
}

bool divisible_test(Interpreter& interpreter, In value, Args arguments) {
  const Bound bound("divisibleby", arguments, {"num"});
  const Value rest = apply_binary(interpreter.heap(), BinaryOp::kModulo, value, bound.at(0));
  return equal(interpreter.heap(), rest, Value::integer(0));
}

template <int rest>
bool parity_test(Interpreter& interpreter, In value, Args arguments) {
  const Bound bound("odd or even", arguments, {});
  const Value found = apply_binary(interpreter.heap(), BinaryOp::kModulo, value, Value::integer(2));
  return equal(interpreter.heap(), found, Value::integer(rest));
}

/// `is lower` and `is upper` ask str(value).
bool case_test(Interpreter& interpreter, In value, Args arguments, std::string_view method) {
  const Bound bound(method, arguments, {});
  const Value text = Value::string(&to_text(interpreter.heap(), value));
  return find_string_method(method)(interpreter, text, {}).as_bool();
}
bool lower_test(Interpreter& interpreter, In value, Args arguments) {
  return case_test(interpreter, value, arguments, "islower");
}
bool upper_test(Interpreter& interpreter, In value, Args arguments) {
  return case_test(interpreter, value, arguments, "isupper");
}

bool filter_test(Interpreter& interpreter, In value, Args arguments) {
  const Bound bound("filter", arguments, {});
  return find_filter(to_text(interpreter.heap(), value).view()) != nullptr;
}
bool test_test(Interpreter& interpreter, In value, Args arguments) {
  const Bound bound("test", arguments, {});
  return find_test(to_text(interpreter.heap(), value).view()) != nullptr;
}

constexpr TestEntry kTests[] = {
    {"defined", plain_test<is_defined>},
    {"undefined", plain_test<is_undefined>},
    {"none", plain_test<is_none>},
    {"boolean", plain_test<is_boolean>},
    {"true", plain_test<is_true_constant>},
    {"false", plain_test<is_false_constant>},
    {"integer", plain_test<is_integer>},
    {"float", plain_test<is_float>},
    {"number", plain_test<is_number>},
    {"string", plain_test<is_string>},
    {"mapping", plain_test<is_mapping>},
    {"iterable", plain_test<is_iterable_value>},
    {"sequence", plain_test<is_sequence>},
    {"escaped", plain_test<is_markup>},
    {"callable", plain_test<is_callable>},
    {"eq", compare_test<CompareOp::kEqual>},
    {"equalto", compare_test<CompareOp::kEqual>},
    {"==", compare_test<CompareOp::kEqual>},
    {"ne", compare_test<CompareOp::kNotEqual>},
    {"!=", compare_test<CompareOp::kNotEqual>},
    {"lt", compare_test<CompareOp::kLess>},
    {"lessthan", compare_test<CompareOp::kLess>},
    {"<", compare_test<CompareOp::kLess>},
    {"le", compare_test<CompareOp::kLessEqual>},
    {"<=", compare_test<CompareOp::kLessEqual>},
    {"gt", compare_test<CompareOp::kGreater>},
    {"greaterthan", compare_test<CompareOp::kGreater>},
    {">", compare_test<CompareOp::kGreater>},
    {"ge", compare_test<CompareOp::kGreaterEqual>},
    {">=", compare_test<CompareOp::kGreaterEqual>},
    {"in", in_test},
    {"sameas", same_as_test},
    {"divisibleby", divisible_test},
    {"odd", parity_test<1>},
    {"even", parity_test<0>},
    {"lower", lower_test},
    {"upper", upper_test},
    {"filter", filter_test},
    {"test", test_test},
};

}  // namespace

const TestEntry* find_test(std::string_view name) {
  static const std::map<std::string_view, const TestEntry*> kByName = [] {
    std::map<std::string_view, const TestEntry*> tests;
    for (const TestEntry& entry : kTests) tests.emplace(entry.name, &entry);
    return tests;
  }();
  const auto found = kByName.find(name);
  return found == kByName.end() ? nullptr : found->second;
}

}  // namespace tandem::text::jinja
