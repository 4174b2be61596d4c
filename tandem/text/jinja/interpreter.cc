#include "tandem/text/jinja/interpreter.h"

#include <algorithm>

#include "tandem/base/error.h"
#include "tandem/text/jinja/filters.h"
#include "tandem/text/jinja/format.h"
#include "tandem/text/jinja/globals.h"
#include "tandem/text/jinja/levels.h"
#include "tandem/text/jinja/parser.h"

namespace tandem::text::jinja {

void Scope::set(NameId name, const Value& value) {
  for (auto& [known, place] : variables_) {
    if (known == name) {
      place = value;
      return;
    }
  }
  variables_.emplace_back(name, value);
}

const Value* Scope::find(NameId name) const {
  for (const Scope* scope = this; scope != nullptr; scope = scope->outer_) {
    for (const auto& [known, value] : scope->variables_) {
      if (known == name) return &value;
    }
  }
  return nullptr;
}

Interpreter::Interpreter(const Template& tree, const InterpreterLimits& limits, std::time_t now)
    : tree_(tree), limits_(limits), now_(now), heap_(limits.budget) {
  define_globals(*this);
}

void Interpreter::set_global(std::string_view name, const Value& value) {
  const auto found = std::find(tree_.names.begin(), tree_.names.end(), name);
  // What the template never names needs no place.
  if (found != tree_.names.end()) globals_.set(static_cast<NameId>(found - tree_.names.begin()), value);
}

Text Interpreter::render() {
  TextBuilder out;
  out_ = &out;
  // Not on the stack: a macro may look into it until the end.
  Scope& scope = keep_scope(globals_);
  try {
    run_body(tree_.body, scope);
  } catch (const TemplateFailure& failure) {
    throw Error(Code::kInvalidArgument, "chat template, line " + std::to_string(line_) + ": " + failure.what());
  }
  return out.take();
}

Interpreter::Flow Interpreter::run_body(const Body& body, Scope& scope) {
  for (const Statement* statement : body) {
    const Flow flow = run(*statement, scope);
    if (flow != Flow::kNormal) return flow;
  }
  return Flow::kNormal;
}

Interpreter::Flow Interpreter::run(const Statement& statement, Scope& scope) {
  const Level level(*this);
  line_ = statement.line;
  switch (statement.kind) {
    case StatementKind::kText: print_text(static_cast<const TextStatement&>(statement).text); break;
    case StatementKind::kPrint:
      print(evaluate(*static_cast<const PrintStatement&>(statement).value, scope));
      break;
    case StatementKind::kIf: return run_if(static_cast<const IfStatement&>(statement), scope);
    case StatementKind::kFor: return run_for(static_cast<const ForStatement&>(statement), scope);
    case StatementKind::kSet: {
      const auto& set = static_cast<const SetStatement&>(statement);
      assign(set.target, evaluate(*set.value, scope), scope);
      break;
    }
    case StatementKind::kSetBlock:
      run_set_block(static_cast<const SetBlockStatement&>(statement), scope);
      break;
    case StatementKind::kMacro: {
      const auto& macro = static_cast<const MacroStatement&>(statement);
      scope.set(macro.name, define_macro(macro, scope));
      break;
    }
    case StatementKind::kCallBlock:
      run_call_block(static_cast<const CallBlockStatement&>(statement), scope);
      break;
    case StatementKind::kFilterBlock:
      run_filter_block(static_cast<const FilterBlockStatement&>(statement), scope);
      break;
    case StatementKind::kWith:
    case StatementKind::kScope: return run_with(static_cast<const WithStatement&>(statement), scope);
    case StatementKind::kBreak: return Flow::kBreak;
    case StatementKind::kContinue: return Flow::kContinue;
  }
  return Flow::kNormal;
}

Interpreter::Flow Interpreter::run_if(const IfStatement& statement, Scope& scope) {
  for (const auto& [test, body] : statement.branches) {
    if (is_true(evaluate(*test, scope))) return run_body(body, scope);
  }
  return run_body(statement.otherwise, scope);
}

void Interpreter::run_set_block(const SetBlockStatement& statement, Scope& scope) {
  Value value = capture(statement.body, keep_scope(scope));
  if (statement.filter != nullptr) {
    block_value_ = value;
    value = evaluate(*statement.filter, scope);
  }
  assign(statement.target, value, scope);
}

void Interpreter::run_filter_block(const FilterBlockStatement& statement, Scope& scope) {
  block_value_ = capture(statement.body, keep_scope(scope));
  print(evaluate(*statement.filter, scope));
}

Interpreter::Flow Interpreter::run_with(const WithStatement& statement, Scope& scope) {
  Scope& inner = keep_scope(scope);
  for (const auto& [target, value] : statement.assignments) assign(target, evaluate(*value, scope), inner);
  return run_body(statement.body, inner);
}

void Interpreter::run_call_block(const CallBlockStatement& statement, Scope& scope) {
  const Value callee = evaluate(*statement.call->callee, scope);
  Arguments arguments = evaluate_arguments(statement.call->arguments, scope);
  arguments.named.emplace_back("caller", define_macro(*statement.body, scope));
  print(call(callee, arguments));
}

Value Interpreter::capture(const Body& body, Scope& scope) {
  TextBuilder captured;
  // Not restored when something throws: an interpreter renders once.
  TextBuilder* outer = std::exchange(out_, &captured);
  run_body(body, scope);
  out_ = outer;
  return heap_.string(captured.take());
}

Scope& Interpreter::keep_scope(Scope& outer) {
  auto* kept = heap_.make<ScopeObject>();
  kept->scope = Scope(&outer);
  return kept->scope;
}

Value Interpreter::define_macro(const MacroStatement& definition, Scope& scope) {
  auto* macro = heap_.make<MacroObject>();
  macro->definition = &definition;
  macro->scope = &scope;
  return Value::object(Kind::kMacro, macro);
}

void Interpreter::print_text(std::string_view text) {
  heap_.check_text_size(out_->size() + text.size());
  out_->append(text);
}

void Interpreter::print(const Value& value) {
  const Text& text = to_text(heap_, value);
  heap_.check_text_size(out_->size() + text.size());
  heap_.spend(text.size() / 64);
  out_->append(text);
}

void Interpreter::assign(const Target& target, const Value& value, Scope& scope) {
  if (target.is_tuple) return unpack(target, value, scope);
  if (target.attribute.empty()) return scope.set(target.name, value);
  const Value* owner = scope.find(target.name);
  if (owner == nullptr || !owner->is(Kind::kNamespace)) fail("cannot assign attribute on non-namespace object");
  if (target.attribute[0] == '_') fail("cannot store underscore-prefixed attributes on a namespace");
  heap_.spend_memory(2 * sizeof(Value));
  owner->dict().set(heap_.string(target.attribute), value);
}

void Interpreter::unpack(const Target& target, const Value& value, Scope& scope) {
  const std::vector<Value> items = iterate(heap_, value);
  if (items.size() != target.items.size()) {
    fail((items.size() < target.items.size() ? "not enough values to unpack (expected "
                                             : "too many values to unpack (expected ") +
         std::to_string(target.items.size()) + ", got " + std::to_string(items.size()) + ")");
  }
  for (std::size_t i = 0; i < items.size(); ++i) assign(target.items[i], items[i], scope);
}

Value Interpreter::apply_filter(std::string_view name, const Value& value, const Arguments& arguments) {
  const FilterEntry* filter = find_filter(name);
  if (filter == nullptr) fail("no filter named '" + std::string(name) + "'");
  return filter->apply(*this, value, arguments);
}

bool Interpreter::apply_test(std::string_view name, const Value& value, const Arguments& arguments) {
  const TestEntry* test = find_test(name);
  if (test == nullptr) fail("no test named '" + std::string(name) + "'");
  return test->holds(*this, value, arguments);
}

Value Interpreter::make_function(std::string_view name,
                                 Value (*call)(Interpreter&, const Value&, const Arguments&),
                                 const Value& self) {
  auto* function = heap_.make<FunctionObject>();
  function->name = name;
  function->call = call;
  function->self = self;
  return Value::object(Kind::kFunction, function);
}

}  // namespace tandem::text::jinja
