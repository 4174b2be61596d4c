// The tree that the parser makes of a template and the interpreter walks. Nodes point at each other freely: one
// Template owns them all, so that freeing a tree never recurses.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tandem/text/jinja/value.h"

namespace tandem::text::jinja {

struct FilterEntry;
struct TestEntry;

/// A variable's name as a small number, for quick look-ups.
using NameId = std::uint32_t;

enum class ExprKind : unsigned char {
  kConstant,
  kName,
  kList,
  kTuple,
  kDict,
  kAttribute,
  kItem,
  kSlice,
  kCall,
  kFilter,
  kTest,
  kNot,
  kNegative,
  kPositive,
  kAnd,
  kOr,
  kBinary,
  kConcat,
  kCompare,
  kConditional,
};

struct Node {
  virtual ~Node() = default;
  int line = 0;
};

struct Expr : Node {
  explicit Expr(ExprKind k) : kind(k) {}
  const ExprKind kind;
};

struct ConstantExpr : Expr {
  ConstantExpr() : Expr(ExprKind::kConstant) {}
  Value value;
  Text text;  ///< what `value` points at when it is a string
};

struct NameExpr : Expr {
  NameExpr() : Expr(ExprKind::kName) {}
  NameId name = 0;
};

/// List, tuple, `and`, `or`, `~`.
struct ItemsExpr : Expr {
  using Expr::Expr;
  std::vector<Expr*> items;
};

struct DictExpr : Expr {
  DictExpr() : Expr(ExprKind::kDict) {}
  std::vector<std::pair<Expr*, Expr*>> items;
};

struct AttributeExpr : Expr {
  AttributeExpr() : Expr(ExprKind::kAttribute) {}
  Expr* base = nullptr;
  std::string name;
};

struct ItemExpr : Expr {
  ItemExpr() : Expr(ExprKind::kItem) {}
  Expr* base = nullptr;
  Expr* key = nullptr;
};

struct SliceExpr : Expr {
  SliceExpr() : Expr(ExprKind::kSlice) {}
  Expr* base = nullptr;
  Expr *start = nullptr, *stop = nullptr, *step = nullptr;  ///< each may be absent
};

struct CallArguments {
  std::vector<Expr*> positional;
  std::vector<std::pair<std::string, Expr*>> named;
  Expr* star = nullptr;         ///< *args
  Expr* double_star = nullptr;  ///< **kwargs
};

struct CallExpr : Expr {
  CallExpr() : Expr(ExprKind::kCall) {}
  Expr* callee = nullptr;
  CallArguments arguments;
};

/// A filter, or a test; the one of `filter` and `test` that it is, or neither when the name is unknown: an
/// error only when it is reached, as templates ask for what other runtimes offer inside branches that are never
/// taken.
struct FilterExpr : Expr {
  using Expr::Expr;
  Expr* base = nullptr;  ///< null: the body of a {% filter %} or {% set %} block
  std::string name;
  const FilterEntry* filter = nullptr;
  const TestEntry* test = nullptr;
  CallArguments arguments;
};

/// `not`, `-`, `+`.
struct UnaryExpr : Expr {
  using Expr::Expr;
  Expr* operand = nullptr;
};

enum class BinaryOp : unsigned char { kAdd, kSubtract, kMultiply, kDivide, kFloorDivide, kModulo, kPower };

/// first op operand op operand …, from left to right; flat, so that a long chain is not a deep tree.
struct BinaryExpr : Expr {
  BinaryExpr() : Expr(ExprKind::kBinary) {}
  Expr* first = nullptr;
  std::vector<std::pair<BinaryOp, Expr*>> rest;
};

enum class CompareOp : unsigned char {
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,
  kNotIn
};

struct CompareExpr : Expr {
  CompareExpr() : Expr(ExprKind::kCompare) {}
  Expr* first = nullptr;
  std::vector<std::pair<CompareOp, Expr*>> rest;
};

struct ConditionalExpr : Expr {
  ConditionalExpr() : Expr(ExprKind::kConditional) {}
  Expr* test = nullptr;
  Expr* then = nullptr;
  Expr* otherwise = nullptr;  ///< may be absent
};

enum class StatementKind : unsigned char {
  kText,
  kPrint,
  kIf,
  kFor,
  kSet,
  kSetBlock,
  kMacro,
  kCallBlock,
  kFilterBlock,
  kWith,
  kScope,  ///< {% generation %}: a body with a scope of its own
  kBreak,
  kContinue,
};

struct Statement : Node {
  explicit Statement(StatementKind k) : kind(k) {}
  const StatementKind kind;
};
using Body = std::vector<Statement*>;

struct TextStatement : Statement {
  TextStatement() : Statement(StatementKind::kText) {}
  std::string text;
};

struct PrintStatement : Statement {
  PrintStatement() : Statement(StatementKind::kPrint) {}
  Expr* value = nullptr;
};

struct IfStatement : Statement {
  IfStatement() : Statement(StatementKind::kIf) {}
  std::vector<std::pair<Expr*, Body>> branches;
  Body otherwise;
};

/// What `set` and `for` assign to: a name, a namespace's attribute, or several of these.
struct Target {
  NameId name = 0;
  std::string attribute;      ///< not empty: name.attribute
  std::vector<Target> items;  ///< not empty, or `is_tuple`: unpacked
  bool is_tuple = false;
};

struct ForStatement : Statement {
  ForStatement() : Statement(StatementKind::kFor) {}
  Target target;
  Expr* sequence = nullptr;
  Expr* test = nullptr;  ///< may be absent
  Body body;
  Body otherwise;
  bool is_recursive = false;
  bool makes_closures = false;  ///< a macro or call block inside may keep the loop's variables
};

struct SetStatement : Statement {
  SetStatement() : Statement(StatementKind::kSet) {}
  Target target;
  Expr* value = nullptr;
};

struct SetBlockStatement : Statement {
  SetBlockStatement() : Statement(StatementKind::kSetBlock) {}
  Target target;
  Expr* filter = nullptr;  ///< may be absent
  Body body;
};

/// A macro, or the body of a call block.
struct MacroStatement : Statement {
  MacroStatement() : Statement(StatementKind::kMacro) {}
  NameId name = 0;
  std::string spelling;
  struct Parameter {
    NameId name = 0;
    std::string spelling;
    Expr* otherwise = nullptr;  ///< may be absent
  };
  std::vector<Parameter> parameters;
  Body body;
  bool uses_caller = false, uses_varargs = false, uses_kwargs = false;
};

struct CallBlockStatement : Statement {
  CallBlockStatement() : Statement(StatementKind::kCallBlock) {}
  CallExpr* call = nullptr;
  MacroStatement* body = nullptr;
};

struct FilterBlockStatement : Statement {
  FilterBlockStatement() : Statement(StatementKind::kFilterBlock) {}
  Expr* filter = nullptr;
  Body body;
};

/// {% with a = 1 %}, and with no assignments {% generation %}.
struct WithStatement : Statement {
  using Statement::Statement;
  std::vector<std::pair<Target, Expr*>> assignments;
  Body body;
};

/// Owns the nodes and the names.
struct Template {
  Body body;
  std::vector<std::string> names;  ///< by NameId
  std::deque<std::unique_ptr<Node>> nodes;
};

}  // namespace tandem::text::jinja
