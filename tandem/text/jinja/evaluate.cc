// Expressions of the Jinja interpreter.
#include <algorithm>

#include "tandem/text/jinja/filters.h"
#include "tandem/text/jinja/format.h"
#include "tandem/text/jinja/interpreter.h"
#include "tandem/text/jinja/levels.h"
#include "tandem/text/jinja/operators.h"

namespace tandem::text::jinja {

Value Interpreter::evaluate(const Expr& expr, Scope& scope) {
  if (expr.kind == ExprKind::kConstant) return static_cast<const ConstantExpr&>(expr).value;
  const Level level(*this);
  switch (expr.kind) {
    case ExprKind::kConstant: break;
    case ExprKind::kName: return evaluate_name(static_cast<const NameExpr&>(expr), scope);
    case ExprKind::kList:
    case ExprKind::kTuple: return evaluate_sequence(static_cast<const ItemsExpr&>(expr), scope);
    case ExprKind::kDict: return evaluate_dict(static_cast<const DictExpr&>(expr), scope);
    case ExprKind::kAttribute: return evaluate_attribute(static_cast<const AttributeExpr&>(expr), scope);
    case ExprKind::kItem: return evaluate_item(static_cast<const ItemExpr&>(expr), scope);
    case ExprKind::kSlice: return evaluate_slice(static_cast<const SliceExpr&>(expr), scope);
    case ExprKind::kCall: return evaluate_call(static_cast<const CallExpr&>(expr), scope);
    case ExprKind::kFilter: return evaluate_filter(static_cast<const FilterExpr&>(expr), scope);
    case ExprKind::kTest: return evaluate_test(static_cast<const FilterExpr&>(expr), scope);
    case ExprKind::kNot:
      return Value::boolean(!is_true(evaluate(*static_cast<const UnaryExpr&>(expr).operand, scope)));
    case ExprKind::kNegative:
      return apply_sign(evaluate(*static_cast<const UnaryExpr&>(expr).operand, scope), /*negate=*/true);
    case ExprKind::kPositive:
      return apply_sign(evaluate(*static_cast<const UnaryExpr&>(expr).operand, scope), /*negate=*/false);
    case ExprKind::kAnd:
    case ExprKind::kOr: return evaluate_logic(static_cast<const ItemsExpr&>(expr), scope);
    case ExprKind::kBinary: return evaluate_binary(static_cast<const BinaryExpr&>(expr), scope);
    case ExprKind::kConcat: return evaluate_concat(static_cast<const ItemsExpr&>(expr), scope);
    case ExprKind::kCompare: return evaluate_compare(static_cast<const CompareExpr&>(expr), scope);
    case ExprKind::kConditional: return evaluate_conditional(static_cast<const ConditionalExpr&>(expr), scope);
  }
  return {};
}

Value Interpreter::evaluate_name(const NameExpr& expr, Scope& scope) {
  if (const Value* found = scope.find(expr.name)) return *found;
  return heap_.undefined("'" + tree_.names[expr.name] + "' is undefined");
}

Value Interpreter::evaluate_sequence(const ItemsExpr& expr, Scope& scope) {
  std::vector<Value> items;
  items.reserve(expr.items.size());
  for (const Expr* item : expr.items) items.push_back(evaluate(*item, scope));
  return expr.kind == ExprKind::kTuple ? heap_.tuple(std::move(items)) : heap_.list(std::move(items));
}

Value Interpreter::evaluate_dict(const DictExpr& expr, Scope& scope) {
  const Value result = heap_.dict();
  heap_.spend_memory(expr.items.size() * 2 * sizeof(Value));
  for (const auto& [key_expr, value_expr] : expr.items) {
    const Value key = evaluate(*key_expr, scope);
    check_hashable(key);
    result.dict().set(key, evaluate(*value_expr, scope));
  }
  return result;
}

Value Interpreter::evaluate_attribute(const AttributeExpr& expr, Scope& scope) {
  return get_attribute(evaluate(*expr.base, scope), expr.name);
}

Value Interpreter::evaluate_item(const ItemExpr& expr, Scope& scope) {
  const Value base = evaluate(*expr.base, scope);
  return get_item(base, evaluate(*expr.key, scope));
}

Value Interpreter::evaluate_slice(const SliceExpr& expr, Scope& scope) {
  const Value base = evaluate(*expr.base, scope);
  const auto bound = [&](const Expr* part) -> std::optional<std::int64_t> {
    if (part == nullptr) return std::nullopt;
    const Value value = evaluate(*part, scope);
    if (value.is_none()) return std::nullopt;
    check_defined(value);
    if (!value.is_integral()) fail("slice indices must be integers or None or have an __index__ method");
    return value.as_int();
  };
  const auto start = bound(expr.start), stop = bound(expr.stop), step = bound(expr.step);
  return slice_value(heap_, base, start, stop, step);
}

Arguments Interpreter::evaluate_arguments(const CallArguments& source, Scope& scope) {
  Arguments arguments;
  arguments.positional.reserve(source.positional.size());
  for (const Expr* expr : source.positional) arguments.positional.push_back(evaluate(*expr, scope));
  if (source.star != nullptr) {
    for (const Value& item : iterate(heap_, evaluate(*source.star, scope)))
      arguments.positional.push_back(item);
  }
  for (const auto& [name, expr] : source.named) arguments.named.emplace_back(name, evaluate(*expr, scope));
  if (source.double_star != nullptr) {
    const Value extra = evaluate(*source.double_star, scope);
    if (!extra.is_dict()) fail("argument after ** must be a mapping, not " + std::string(type_name(extra)));
    for (const auto& [key, value] : extra.dict().items) {
      if (!key.is_string()) fail("keywords must be strings");
      arguments.named.emplace_back(key.text().view(), value);
    }
  }
  return arguments;
}

Value Interpreter::evaluate_call(const CallExpr& expr, Scope& scope) {
  const Value callee = evaluate(*expr.callee, scope);
  const Arguments arguments = evaluate_arguments(expr.arguments, scope);
  line_ = expr.line;
  return call(callee, arguments);
}

Value Interpreter::evaluate_filter(const FilterExpr& expr, Scope& scope) {
  const Value base = expr.base == nullptr ? block_value_ : evaluate(*expr.base, scope);
  line_ = expr.line;
  if (expr.filter == nullptr) fail("no filter named '" + expr.name + "'");
  return expr.filter->apply(*this, base, evaluate_arguments(expr.arguments, scope));
}

Value Interpreter::evaluate_test(const FilterExpr& expr, Scope& scope) {
  const Value base = evaluate(*expr.base, scope);
  line_ = expr.line;
  if (expr.test == nullptr) fail("no test named '" + expr.name + "'");
  return Value::boolean(expr.test->holds(*this, base, evaluate_arguments(expr.arguments, scope)));
}

Value Interpreter::evaluate_logic(const ItemsExpr& expr, Scope& scope) {
  const bool stops_on = expr.kind == ExprKind::kOr;
  Value value;
  for (const Expr* item : expr.items) {
    value = evaluate(*item, scope);
    if (is_true(value) == stops_on) break;
  }
  return value;
}

Value Interpreter::evaluate_binary(const BinaryExpr& expr, Scope& scope) {
  Value value = evaluate(*expr.first, scope);
  for (const auto& [op, operand] : expr.rest) value = apply_binary(heap_, op, value, evaluate(*operand, scope));
  return value;
}

Value Interpreter::evaluate_concat(const ItemsExpr& expr, Scope& scope) {
  TextBuilder builder;
  for (const Expr* item : expr.items) {
    const Text& text = to_text(heap_, evaluate(*item, scope));
    heap_.check_text_size(builder.size() + text.size());
    builder.append(text);
  }
  return heap_.string(builder.take());
}

Value Interpreter::evaluate_compare(const CompareExpr& expr, Scope& scope) {
  Value left = evaluate(*expr.first, scope);
  for (const auto& [op, operand] : expr.rest) {
    const Value right = evaluate(*operand, scope);
    if (!apply_compare(heap_, op, left, right)) return Value::boolean(false);
    left = right;
  }
  return Value::boolean(true);
}

Value Interpreter::evaluate_conditional(const ConditionalExpr& expr, Scope& scope) {
  if (is_true(evaluate(*expr.test, scope))) return evaluate(*expr.then, scope);
  if (expr.otherwise != nullptr) return evaluate(*expr.otherwise, scope);
  return heap_.undefined("the inline if-expression evaluated to false and no else section was defined.");
}

}  // namespace tandem::text::jinja
