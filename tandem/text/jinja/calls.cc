// Loops, macros and look-ups of the Jinja interpreter.
#include <algorithm>

#include "tandem/text/jinja/interpreter.h"
#include "tandem/text/jinja/levels.h"
#include "tandem/text/jinja/methods.h"
#include "tandem/text/jinja/parser.h"
#include "tandem/text/jinja/unicode.h"

namespace tandem::text::jinja {

Interpreter::Flow Interpreter::run_for(const ForStatement& statement, Scope& scope) {
  auto* loop = heap_.make<LoopObject>();
  loop->statement = &statement;
  loop->scope = &scope;
  loop->items = iterate(heap_, evaluate(*statement.sequence, scope));
  return iterate_loop(*loop);
}

Interpreter::Flow Interpreter::iterate_loop(LoopObject& loop) {
  const ForStatement& statement = *loop.statement;
  const Value loop_value = Value::object(Kind::kLoop, &loop);
  // One scope serves every turn unless a macro may keep looking into it.
  Scope* scope = &keep_scope(*loop.scope);
  bool is_first = true, has_finished_turn = false;
  while (loop.taken < loop.accepted.size() || accept_next(loop)) {
    loop.previous = is_first ? heap_.undefined("there is no previous item") : loop.current;
    loop.current = loop.accepted[loop.taken++];
    ++loop.index0;
    if (!is_first && statement.makes_closures) scope = &keep_scope(*loop.scope);
    is_first = false;
    scope->clear();
    const Flow flow = run_loop_body(loop, loop_value, *scope);
    has_finished_turn |= flow == Flow::kNormal;
    if (flow == Flow::kBreak) break;
  }
  // Jinja runs `else` unless a turn reached the end of the body: also after nothing but `break` and `continue`.
  return has_finished_turn ? Flow::kNormal : run_body(statement.otherwise, keep_scope(*loop.scope));
}

Interpreter::Flow Interpreter::run_loop_body(LoopObject& loop, const Value& loop_value, Scope& scope) {
  heap_.spend();
  scope.set(kNameLoop, loop_value);
  assign(loop.statement->target, loop.current, scope);
  return run_body(loop.statement->body, scope);
}

bool Interpreter::accept_next(LoopObject& loop) {
  const ForStatement& statement = *loop.statement;
  while (loop.next < loop.items.size()) {
    heap_.spend();
    const Value item = loop.items[loop.next++];
    if (statement.test != nullptr) {
      Scope test_scope(loop.scope);
      assign(statement.target, item, test_scope);
      if (!is_true(evaluate(*statement.test, test_scope))) continue;
    }
    loop.accepted.push_back(item);
    return true;
  }
  return false;
}

Value Interpreter::loop_attribute(LoopObject& loop, std::string_view name) {
  const auto has_next = [&] { return loop.taken < loop.accepted.size() || accept_next(loop); };
  const auto length = [&] {
    while (accept_next(loop)) {
    }
    return static_cast<std::int64_t>(loop.accepted.size());
  };
  if (name == "index") return Value::integer(loop.index0 + 1);
  if (name == "index0") return Value::integer(loop.index0);
  if (name == "first") return Value::boolean(loop.index0 == 0);
  if (name == "last") return Value::boolean(!has_next());
  if (name == "length") return Value::integer(length());
  if (name == "revindex") return Value::integer(length() - loop.index0);
  if (name == "revindex0") return Value::integer(length() - loop.index0 - 1);
  if (name == "depth") return Value::integer(loop.depth0 + 1);
  if (name == "depth0") return Value::integer(loop.depth0);
  if (name == "previtem") return loop.previous;
  if (name == "nextitem")
    return has_next() ? loop.accepted[loop.taken] : heap_.undefined("there is no next item");
  const Value self = Value::object(Kind::kLoop, &loop);
  if (const Method method = find_method(self, name)) return make_function("loop", method, self);
  return missing_attribute(self, name);
}

Value Interpreter::call_loop(const Value& callee, const Arguments& arguments) {
  auto& outer = static_cast<LoopObject&>(*callee.object());
  if (!outer.statement->is_recursive)
    fail("The loop must have the 'recursive' marker to be called recursively.");
  const Bound bound("loop", arguments, {"iterable"});
  if (macro_depth_ >= limits_.max_macro_depth) fail("the template recurses too deeply");
  auto* loop = heap_.make<LoopObject>();
  loop->statement = outer.statement;
  loop->scope = outer.scope;
  loop->depth0 = outer.depth0 + 1;
  loop->items = iterate(heap_, bound.at(0));
  TextBuilder captured;
  TextBuilder* before = std::exchange(out_, &captured);
  ++macro_depth_;
  iterate_loop(*loop);
  --macro_depth_;
  out_ = before;
  return heap_.string(captured.take());
}

Value Interpreter::call_macro(const MacroObject& macro, const Arguments& arguments) {
  if (macro_depth_ >= limits_.max_macro_depth) {
    fail("macros call each other more than " + std::to_string(limits_.max_macro_depth) + " levels deep");
  }
  ++macro_depth_;
  Scope& scope = keep_scope(*macro.scope);
  bind_parameters(*macro.definition, arguments, scope);
  const Value printed = capture(macro.definition->body, scope);
  --macro_depth_;
  return printed;
}

void Interpreter::bind_parameters(const MacroStatement& macro, const Arguments& arguments, Scope& scope) {
  const std::size_t num_positional = std::min(arguments.positional.size(), macro.parameters.size());
  std::vector<bool> is_used(arguments.named.size());
  for (std::size_t i = 0; i < macro.parameters.size(); ++i) {
    const MacroStatement::Parameter& parameter = macro.parameters[i];
    if (i < num_positional) {
      scope.set(parameter.name, arguments.positional[i]);
      continue;
    }
    const auto named = std::find_if(arguments.named.begin(), arguments.named.end(),
                                    [&](const auto& argument) { return argument.first == parameter.spelling; });
    if (named != arguments.named.end()) {
      is_used[static_cast<std::size_t>(named - arguments.named.begin())] = true;
      scope.set(parameter.name, named->second);
    } else if (parameter.otherwise != nullptr) {
      scope.set(parameter.name, evaluate(*parameter.otherwise, scope));
    } else {
      scope.set(parameter.name, heap_.undefined("parameter '" + parameter.spelling + "' was not provided"));
    }
  }
  bind_surplus(macro, arguments, is_used, scope);
}

void Interpreter::bind_surplus(const MacroStatement& macro, const Arguments& arguments,
                               const std::vector<bool>& is_used, Scope& scope) {
  const std::size_t num_parameters = macro.parameters.size();
  if (arguments.positional.size() > num_parameters && !macro.uses_varargs) {
    fail("macro '" + macro.spelling + "' takes not more than " + std::to_string(num_parameters) +
         " argument(s)");
  }
  Value caller = heap_.undefined("No caller defined");
  const Value surplus = heap_.dict();
  for (std::size_t i = 0; i < arguments.named.size(); ++i) {
    const auto& [name, value] = arguments.named[i];
    if (is_used[i]) continue;
    if (name == "caller" && macro.uses_caller) {
      caller = value;
    } else if (macro.uses_kwargs) {
      surplus.dict().set(heap_.string(name), value);
    } else {
      fail("macro '" + macro.spelling + "' takes no keyword argument '" + std::string(name) + "'");
    }
  }
  const bool has_own_caller = std::any_of(macro.parameters.begin(), macro.parameters.end(),
                                          [](const auto& parameter) { return parameter.name == kNameCaller; });
  if (macro.uses_caller && !has_own_caller) scope.set(kNameCaller, caller);
  if (macro.uses_kwargs) scope.set(kNameKwargs, surplus);
  if (!macro.uses_varargs) return;
  const auto first = arguments.positional.begin() +
                     static_cast<std::ptrdiff_t>(std::min(arguments.positional.size(), num_parameters));
  scope.set(kNameVarargs, heap_.tuple(std::vector<Value>(first, arguments.positional.end())));
}

Value Interpreter::call(const Value& callee, const Arguments& arguments) {
  const Level level(*this);
  switch (callee.kind()) {
    case Kind::kFunction: {
      const auto& function = static_cast<FunctionObject&>(*callee.object());
      return function.call(*this, function.self, arguments);
    }
    case Kind::kMacro: return call_macro(static_cast<MacroObject&>(*callee.object()), arguments);
    case Kind::kLoop: return call_loop(callee, arguments);
    case Kind::kJoiner: {
      auto& joiner = static_cast<JoinerObject&>(*callee.object());
      return std::exchange(joiner.is_used, true) ? joiner.separator : heap_.string("");
    }
    default:
      check_defined(callee);
      fail("'" + std::string(type_name(callee)) + "' object is not callable");
  }
}

Value Interpreter::get_attribute(const Value& value, std::string_view name) {
  check_defined(value);
  if (value.is(Kind::kNamespace)) {
    const Value* found = value.dict().find(name);
    return found != nullptr ? *found : missing_attribute(value, name);
  }
  if (value.is(Kind::kLoop)) return loop_attribute(static_cast<LoopObject&>(*value.object()), name);
  if (value.is(Kind::kTuple) && std::string_view(value.list().name) == kGroupName) {
    if (name == "grouper" || name == "list") return value.list().items[name == "grouper" ? 0 : 1];
  }
  if (value.is(Kind::kMacro) && name == "name") {
    return heap_.string(static_cast<MacroObject&>(*value.object()).definition->spelling);
  }
  if (value.is(Kind::kCycler) && name == "current") {
    const auto& cycler = static_cast<CyclerObject&>(*value.object());
    return cycler.items[cycler.place];
  }
  if (const Method method = find_method(value, name)) return make_function(name, method, value);
  if (value.is_dict() && !is_forbidden_method(value, name)) {
    if (const Value* found = value.dict().find(name)) return *found;
  }
  return missing_attribute(value, name);
}

Value Interpreter::missing_attribute(const Value& value, std::string_view name) {
  const std::string type(type_name(value));
  if (is_forbidden_method(value, name) || name.starts_with("__")) {
    return heap_.undefined("access to attribute '" + std::string(name) + "' of '" + type +
                           "' object is unsafe.");
  }
  if (value.is_none()) return heap_.undefined("'None' has no attribute '" + std::string(name) + "'");
  return heap_.undefined("'" + type + " object' has no attribute '" + std::string(name) + "'");
}

Value Interpreter::get_item(const Value& value, const Value& key) {
  check_defined(value);
  if (value.is_dict()) {
    if (!is_hashable(key)) return heap_.undefined("'dict object' has no such element");
    if (const Value* found = value.dict().find(key)) return *found;
  } else if (key.is_integral() && (value.is_sequence() || value.is_string() || value.is(Kind::kRange))) {
    const std::int64_t length = *length_of(value);
    const std::int64_t index = key.as_int() < 0 ? key.as_int() + length : key.as_int();
    if (index >= 0 && index < length) return item_at(value, index);
  }
  if (key.is_string() && !value.is_dict()) return get_attribute(value, key.text().view());
  if (key.is_string()) {
    if (const Method method = find_method(value, key.text().view()))
      return make_function("method", method, value);
    return missing_attribute(value, key.text().view());
  }
  return heap_.undefined("'" + std::string(type_name(value)) + " object' has no such element");
}

Value Interpreter::item_at(const Value& value, std::int64_t index) {
  if (value.is_sequence()) return value.list().items[static_cast<std::size_t>(index)];
  if (value.is(Kind::kRange)) {
    const auto& range = static_cast<RangeObject&>(*value.object());
    return Value::integer(range.start + index * range.step);
  }
  const Text& text = value.text();
  if (!text.is_ascii()) heap_.spend(static_cast<std::uint64_t>(index) / 64);
  const std::size_t begin = text.offset_of(static_cast<std::size_t>(index));
  return heap_.string(text.slice(begin, begin + character_size(text.view(), begin)));
}

}  // namespace tandem::text::jinja
