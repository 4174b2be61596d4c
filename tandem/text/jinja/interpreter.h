// Walks a template's tree and writes the prompt. One Interpreter renders once; the Template is shared between
// threads.
#pragma once

#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tandem/text/jinja/arguments.h"
#include "tandem/text/jinja/ast.h"
#include "tandem/text/jinja/value.h"

namespace tandem::text::jinja {

/// The variables of one block, and the block around it.
class Scope {
 public:
  explicit Scope(Scope* outer = nullptr) : outer_(outer) {}
  void set(NameId name, const Value& value);
  /// nullptr when neither this scope nor one around it has the name.
  const Value* find(NameId name) const;
  void clear() { variables_.clear(); }

 private:
  Scope* outer_;
  std::vector<std::pair<NameId, Value>> variables_;
};

/// Keeps a scope alive that a macro may still look into.
struct ScopeObject : Object {
  Scope scope;
};

struct MacroObject : Object {
  const MacroStatement* definition = nullptr;
  Scope* scope = nullptr;  ///< where it was defined
};

class Interpreter;
/// A global function, or a method bound to `self`.
struct FunctionObject : Object {
  std::string_view name;
  Value (*call)(Interpreter& interpreter, const Value& self, const Arguments& arguments) = nullptr;
  Value self;
};

/// The `loop` variable, and the iteration behind it.
struct LoopObject : Object {
  const ForStatement* statement = nullptr;
  Scope* scope = nullptr;  ///< where the loop stands
  std::vector<Value> items;
  std::size_t next = 0;         ///< of `items`, the first not yet tested
  std::vector<Value> accepted;  ///< those that passed the test, taken ahead
  std::size_t taken = 0;        ///< of `accepted`
  std::int64_t index0 = -1;
  std::int64_t depth0 = 0;
  Value previous, current;
  std::vector<Value> last_changed;
  bool has_changed_before = false;
};

struct CyclerObject : Object {
  std::vector<Value> items;
  std::size_t place = 0;
};

struct JoinerObject : Object {
  Value separator;
  bool is_used = false;
};

struct InterpreterLimits {
  Budget budget;
  int max_macro_depth = 64;
};

class Interpreter {
 public:
  /// `tree` must outlive the interpreter. `now`: what strftime_now prints.
  Interpreter(const Template& tree, const InterpreterLimits& limits, std::time_t now);
  Interpreter(const Interpreter&) = delete;

  Heap& heap() { return heap_; }
  /// Makes a variable known to the template.
  void set_global(std::string_view name, const Value& value);
  /// Throws Error{kInvalidArgument} with the line, or with the template's own words for raise_exception.
  Text render();

  /// value.name, value[key]: Jinja's look-ups, which try attributes and items in turn.
  Value get_attribute(const Value& value, std::string_view name);
  Value get_item(const Value& value, const Value& key);
  Value call(const Value& callee, const Arguments& arguments);
  Value apply_filter(std::string_view name, const Value& value, const Arguments& arguments);
  bool apply_test(std::string_view name, const Value& value, const Arguments& arguments);
  void define_function(std::string_view name, Value (*call)(Interpreter&, const Value&, const Arguments&)) {
    set_global(name, make_function(name, call));
  }
  Value make_function(std::string_view name, Value (*call)(Interpreter&, const Value&, const Arguments&),
                      const Value& self = {});
  std::time_t now() const { return now_; }

 private:
  enum class Flow { kNormal, kBreak, kContinue };

  /// Counts the levels of the C++ stack that the template takes. In a release build (g++ 12, x86-64) all of them fit
  /// the 512 KiB that macOS gives a thread; limits_test.cc runs there.
  class Level;
  static constexpr int kMaxLevels = 500;

  // Statements (interpreter.cc).
  Flow run_body(const Body& body, Scope& scope);
  Flow run(const Statement& statement, Scope& scope);
  Flow run_if(const IfStatement& statement, Scope& scope);
  Flow run_for(const ForStatement& statement, Scope& scope);
  void run_set_block(const SetBlockStatement& statement, Scope& scope);
  void run_call_block(const CallBlockStatement& statement, Scope& scope);
  void run_filter_block(const FilterBlockStatement& statement, Scope& scope);
  Flow run_with(const WithStatement& statement, Scope& scope);
  void print(const Value& value);
  void print_text(std::string_view text);
  void assign(const Target& target, const Value& value, Scope& scope);
  void unpack(const Target& target, const Value& value, Scope& scope);
  /// Runs `body` and gives what it printed.
  Value capture(const Body& body, Scope& scope);
  Scope& keep_scope(Scope& outer);
  Value define_macro(const MacroStatement& definition, Scope& scope);

  // Loops and macros (calls.cc).
  Flow iterate_loop(LoopObject& loop);
  Flow run_loop_body(LoopObject& loop, const Value& loop_value, Scope& scope);
  bool accept_next(LoopObject& loop);
  Value loop_attribute(LoopObject& loop, std::string_view name);
  Value call_loop(const Value& callee, const Arguments& arguments);
  Value call_macro(const MacroObject& macro, const Arguments& arguments);
  void bind_parameters(const MacroStatement& macro, const Arguments& arguments, Scope& scope);
  void bind_surplus(const MacroStatement& macro, const Arguments& arguments, const std::vector<bool>& is_used,
                    Scope& scope);
  Value item_at(const Value& value, std::int64_t index);
  Value missing_attribute(const Value& value, std::string_view name);

  // Expressions (evaluate.cc).
  Value evaluate(const Expr& expr, Scope& scope);
  Value evaluate_name(const NameExpr& expr, Scope& scope);
  Value evaluate_sequence(const ItemsExpr& expr, Scope& scope);
  Value evaluate_dict(const DictExpr& expr, Scope& scope);
  Value evaluate_attribute(const AttributeExpr& expr, Scope& scope);
  Value evaluate_item(const ItemExpr& expr, Scope& scope);
  Value evaluate_slice(const SliceExpr& expr, Scope& scope);
  Value evaluate_call(const CallExpr& expr, Scope& scope);
  Value evaluate_filter(const FilterExpr& expr, Scope& scope);
  Value evaluate_test(const FilterExpr& expr, Scope& scope);
  Value evaluate_logic(const ItemsExpr& expr, Scope& scope);
  Value evaluate_binary(const BinaryExpr& expr, Scope& scope);
  Value evaluate_concat(const ItemsExpr& expr, Scope& scope);
  Value evaluate_compare(const CompareExpr& expr, Scope& scope);
  Value evaluate_conditional(const ConditionalExpr& expr, Scope& scope);
  Arguments evaluate_arguments(const CallArguments& arguments, Scope& scope);

  const Template& tree_;
  const InterpreterLimits limits_;
  const std::time_t now_;
  Heap heap_;
  Scope globals_;
  Value block_value_;  ///< what a filter block's first filter is applied to
  TextBuilder* out_ = nullptr;
  int line_ = 0;
  int levels_ = 0;
  int macro_depth_ = 0;
};

}  // namespace tandem::text::jinja
