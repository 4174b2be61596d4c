#include "tandem/text/jinja/expression_parser.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "tandem/base/strings.h"
#include "tandem/text/jinja/filters.h"
#include "tandem/text/jinja/parser.h"

namespace tandem::text::jinja {
namespace {

/// x.a.b[0]… or x|f|g…: every link is a level of the tree.
constexpr int kMaxChain = 100;

}  // namespace

ExpressionParser::ExpressionParser(std::vector<Token> tokens, Template& tree)
    : tree_(tree), tokens_(std::move(tokens)) {
  for (const char* name : {"loop", "caller", "varargs", "kwargs"}) intern(name);
}

ExpressionParser::Nest::Nest(ExpressionParser& parser) : parser_(parser) {
  if (++parser_.depth_ > kMaxNesting) {
    --parser_.depth_;
    parser_.fail_here("nested deeper than " + std::to_string(kMaxNesting) + " levels");
  }
}

NameId ExpressionParser::intern(const std::string& name) {
  const auto [entry, is_new] = names_.emplace(name, static_cast<NameId>(tree_.names.size()));
  if (is_new) tree_.names.push_back(name);
  for (MacroStatement* macro : open_macros_) {
    macro->uses_caller |= entry->second == kNameCaller;
    macro->uses_varargs |= entry->second == kNameVarargs;
    macro->uses_kwargs |= entry->second == kNameKwargs;
  }
  return entry->second;
}

Token ExpressionParser::take() {
  Token token = tokens_[place_];
  if (token.type != TokenType::kEnd) ++place_;
  return token;
}

bool ExpressionParser::is_operator(std::string_view op) const {
  return current().type == TokenType::kOperator && current().text == op;
}
bool ExpressionParser::is_word(std::string_view word) const {
  return current().type == TokenType::kName && current().text == word;
}
bool ExpressionParser::skip_operator(std::string_view op) {
  if (!is_operator(op)) return false;
  take();
  return true;
}
bool ExpressionParser::skip_word(std::string_view word) {
  if (!is_word(word)) return false;
  take();
  return true;
}
void ExpressionParser::expect_operator(std::string_view op) {
  if (!skip_operator(op)) fail_unexpected("'" + std::string(op) + "'");
}
void ExpressionParser::expect(TokenType type, std::string_view what) {
  if (current().type != type) fail_unexpected(what);
  take();
}
std::string ExpressionParser::expect_name() {
  if (current().type != TokenType::kName) fail_unexpected("a name");
  return take().text;
}

void ExpressionParser::fail_here(const std::string& message) const {
  fail_at(current().line, current().column, message);
}

void ExpressionParser::fail_unexpected(std::string_view wanted) const {
  const Token& token = current();
  std::string found = "'" + token.text + "'";
  if (token.type == TokenType::kEnd) found = "the end of the template";
  if (token.type == TokenType::kBlockEnd) found = "'%}'";
  if (token.type == TokenType::kVariableEnd) found = "'}}'";
  fail_here("expected " + std::string(wanted) + ", got " + found);
}

Expr* ExpressionParser::parse_expression(Conditional conditional) {
  return conditional == Conditional::kAllowed ? parse_conditional() : parse_or();
}

Expr* ExpressionParser::parse_conditional() {
  const Nest nest(*this);
  Expr* node = parse_or();
  for (int links = 0; skip_word("if"); ++links) {
    if (links == kMaxChain) fail_here("too many conditions in a row");
    auto* conditional = make<ConditionalExpr>();
    conditional->then = node;
    conditional->test = parse_or();
    if (skip_word("else")) conditional->otherwise = parse_conditional();
    node = conditional;
  }
  return node;
}

Expr* ExpressionParser::parse_or() {
  Expr* first = parse_and();
  if (!is_word("or")) return first;
  auto* node = make<ItemsExpr>(ExprKind::kOr);
  node->items.push_back(first);
  while (skip_word("or")) node->items.push_back(parse_and());
  return node;
}

Expr* ExpressionParser::parse_and() {
  Expr* first = parse_not();
  if (!is_word("and")) return first;
  auto* node = make<ItemsExpr>(ExprKind::kAnd);
  node->items.push_back(first);
  while (skip_word("and")) node->items.push_back(parse_not());
  return node;
}

Expr* ExpressionParser::parse_not() {
  if (!is_word("not")) return parse_compare();
  const Nest nest(*this);
  auto* node = make<UnaryExpr>(ExprKind::kNot);
  take();
  node->operand = parse_not();
  return node;
}

std::optional<CompareOp> ExpressionParser::skip_comparison() {
  if (skip_operator("==")) return CompareOp::kEqual;
  if (skip_operator("!=")) return CompareOp::kNotEqual;
  if (skip_operator("<=")) return CompareOp::kLessEqual;
  if (skip_operator("<")) return CompareOp::kLess;
  if (skip_operator(">=")) return CompareOp::kGreaterEqual;
  if (skip_operator(">")) return CompareOp::kGreater;
  if (skip_word("in")) return CompareOp::kIn;
  if (is_word("not") && ahead().type == TokenType::kName && ahead().text == "in") {
    take();
    take();
    return CompareOp::kNotIn;
  }
  return std::nullopt;
}

Expr* ExpressionParser::parse_compare() {
  Expr* first = parse_sum();
  std::optional<CompareOp> op = skip_comparison();
  if (!op) return first;
  auto* node = make<CompareExpr>();
  node->first = first;
  for (; op; op = skip_comparison()) node->rest.emplace_back(*op, parse_sum());
  return node;
}

std::optional<BinaryOp> ExpressionParser::binary_operator(std::string_view allowed) const {
  static const std::map<std::string_view, BinaryOp> kOperators = {
      {"+", BinaryOp::kAdd},    {"-", BinaryOp::kSubtract},     {"*", BinaryOp::kMultiply},
      {"/", BinaryOp::kDivide}, {"//", BinaryOp::kFloorDivide}, {"%", BinaryOp::kModulo},
      {"**", BinaryOp::kPower}};
  if (current().type != TokenType::kOperator) return std::nullopt;
  const auto found = kOperators.find(current().text);
  // `allowed` lists whole operators between spaces: " * / // % ".
  if (found == kOperators.end() || allowed.find(" " + current().text + " ") == std::string_view::npos)
    return std::nullopt;
  return found->second;
}

Expr* ExpressionParser::parse_binary(Expr* (ExpressionParser::*operand)(), std::string_view operators) {
  Expr* first = (this->*operand)();
  std::optional<BinaryOp> op = binary_operator(operators);
  if (!op) return first;
  auto* node = make<BinaryExpr>();
  node->first = first;
  for (; op; op = binary_operator(operators)) {
    take();
    node->rest.emplace_back(*op, (this->*operand)());
  }
  return node;
}

Expr* ExpressionParser::parse_sum() { return parse_binary(&ExpressionParser::parse_concat, " + - "); }
Expr* ExpressionParser::parse_product() { return parse_binary(&ExpressionParser::parse_power, " * / // % "); }
Expr* ExpressionParser::parse_power() { return parse_binary(&ExpressionParser::parse_filtered_unary, " ** "); }
Expr* ExpressionParser::parse_filtered_unary() { return parse_unary(/*with_filters=*/true); }

Expr* ExpressionParser::parse_concat() {
  Expr* first = parse_product();
  if (!is_operator("~")) return first;
  auto* node = make<ItemsExpr>(ExprKind::kConcat);
  node->items.push_back(first);
  while (skip_operator("~")) node->items.push_back(parse_product());
  return node;
}

Expr* ExpressionParser::parse_unary(bool with_filters) {
  const Nest nest(*this);
  Expr* node = nullptr;
  if (is_operator("-") || is_operator("+")) {
    auto* unary = make<UnaryExpr>(is_operator("-") ? ExprKind::kNegative : ExprKind::kPositive);
    take();
    unary->operand = parse_unary(/*with_filters=*/false);
    node = unary;
  } else {
    node = parse_primary();
  }
  node = parse_postfix(node);
  return with_filters ? parse_filters(node) : node;
}

Expr* ExpressionParser::constant(Value value) {
  auto* node = make<ConstantExpr>();
  node->value = value;
  return node;
}

Expr* ExpressionParser::string_constant(std::string text) {
  auto* node = make<ConstantExpr>();
  node->text = Text(std::move(text));
  node->value = Value::string(&node->text);
  return node;
}

Expr* ExpressionParser::parse_primary() {
  switch (current().type) {
    case TokenType::kName: return parse_name();
    case TokenType::kString: return parse_string();
    case TokenType::kInteger:
    case TokenType::kFloat: return parse_number();
    default: break;
  }
  if (is_operator("(")) return parse_parentheses();
  if (is_operator("[")) return parse_list();
  if (is_operator("{")) return parse_dict();
  fail_unexpected("an expression");
}

Expr* ExpressionParser::parse_name() {
  const std::string name = take().text;
  if (name == "true" || name == "True") return constant(Value::boolean(true));
  if (name == "false" || name == "False") return constant(Value::boolean(false));
  if (name == "none" || name == "None") return constant(Value::none());
  auto* node = make<NameExpr>();
  node->name = intern(name);
  return node;
}

Expr* ExpressionParser::parse_string() {
  std::string text = take().text;
  while (current().type == TokenType::kString) text += take().text;
  return string_constant(std::move(text));
}

Expr* ExpressionParser::parse_number() {
  const Token token = take();
  if (token.type == TokenType::kFloat) {
    const std::optional<double> number = parse_double(token.text);
    if (!number) fail_at(token.line, token.column, "not a number: " + token.text);
    return constant(Value::number(*number));
  }
  const char prefix = token.text.size() > 2 ? token.text[1] : '0';
  const int base = prefix == 'x' || prefix == 'X'   ? 16
                   : prefix == 'o' || prefix == 'O' ? 8
                   : prefix == 'b' || prefix == 'B' ? 2
                                                    : 10;
  const char* begin = token.text.data() + (base == 10 ? 0 : 2);
  const char* end = token.text.data() + token.text.size();
  std::int64_t number = 0;
  const auto [rest, error] = std::from_chars(begin, end, number, base);
  if (error != std::errc() || rest != end)
    fail_at(token.line, token.column, "integer too large: " + token.text);
  return constant(Value::integer(number));
}

Expr* ExpressionParser::parse_parentheses() {
  expect_operator("(");
  Expr* node = nullptr;
  if (is_operator(")")) {
    node = make<ItemsExpr>(ExprKind::kTuple);
  } else {
    node = parse_tuple();
  }
  expect_operator(")");
  return node;
}

bool ExpressionParser::at_tuple_end(std::string_view end_word) const {
  return current().type == TokenType::kVariableEnd || current().type == TokenType::kBlockEnd ||
         is_operator(")") || (!end_word.empty() && is_word(end_word));
}

Expr* ExpressionParser::parse_tuple(Conditional conditional, std::string_view end_word) {
  if (at_tuple_end(end_word)) fail_unexpected("an expression");
  Expr* first = parse_expression(conditional);
  if (!is_operator(",")) return first;
  auto* node = make<ItemsExpr>(ExprKind::kTuple);
  node->items.push_back(first);
  while (skip_operator(",") && !at_tuple_end(end_word)) node->items.push_back(parse_expression(conditional));
  return node;
}

Expr* ExpressionParser::parse_list() {
  auto* node = make<ItemsExpr>(ExprKind::kList);
  expect_operator("[");
  while (!is_operator("]")) {
    if (!node->items.empty()) expect_operator(",");
    if (is_operator("]")) break;
    node->items.push_back(parse_expression());
  }
  expect_operator("]");
  return node;
}

Expr* ExpressionParser::parse_dict() {
  auto* node = make<DictExpr>();
  expect_operator("{");
  while (!is_operator("}")) {
    if (!node->items.empty()) expect_operator(",");
    if (is_operator("}")) break;
    Expr* key = parse_expression();
    expect_operator(":");
    node->items.emplace_back(key, parse_expression());
  }
  expect_operator("}");
  return node;
}

Expr* ExpressionParser::parse_postfix(Expr* node) {
  for (int links = 0;; ++links) {
    if (links > kMaxChain) fail_here("too many look-ups in a row");
    if (is_operator(".")) {
      node = parse_attribute(node);
    } else if (is_operator("[")) {
      node = parse_subscript(node);
    } else if (is_operator("(")) {
      auto* call = make<CallExpr>();
      call->callee = node;
      call->arguments = parse_arguments();
      node = call;
    } else {
      return node;
    }
  }
}

Expr* ExpressionParser::parse_filters(Expr* node) {
  for (int links = 0;; ++links) {
    if (links > kMaxChain) fail_here("too many filters in a row");
    if (skip_operator("|")) {
      node = parse_filter(node);
    } else if (is_word("is")) {
      node = parse_test(node);
    } else if (is_operator("(")) {  // a call may follow a filter or a test
      auto* call = make<CallExpr>();
      call->callee = node;
      call->arguments = parse_arguments();
      node = call;
    } else {
      return node;
    }
  }
}

Expr* ExpressionParser::parse_filter_chain(Expr* base) {
  Expr* node = parse_filter(base);
  for (int links = 0; skip_operator("|"); ++links) {
    if (links > kMaxChain) fail_here("too many filters in a row");
    node = parse_filter(node);
  }
  return node;
}

Expr* ExpressionParser::parse_attribute(Expr* base) {
  expect_operator(".");
  if (current().type == TokenType::kInteger) {
    auto* node = make<ItemExpr>();
    node->base = base;
    node->key = parse_number();
    return node;
  }
  auto* node = make<AttributeExpr>();
  node->base = base;
  node->name = expect_name();
  return node;
}

Expr* ExpressionParser::parse_subscript(Expr* base) {
  expect_operator("[");
  if (is_operator(":")) return parse_slice(base, nullptr);
  Expr* key = parse_expression();
  if (is_operator(":")) return parse_slice(base, key);
  if (is_operator(",")) {
    auto* tuple = make<ItemsExpr>(ExprKind::kTuple);
    tuple->items.push_back(key);
    while (skip_operator(",")) tuple->items.push_back(parse_expression());
    key = tuple;
  }
  expect_operator("]");
  auto* node = make<ItemExpr>();
  node->base = base;
  node->key = key;
  return node;
}

Expr* ExpressionParser::parse_slice(Expr* base, Expr* start) {
  auto* node = make<SliceExpr>();
  node->base = base;
  node->start = start;
  expect_operator(":");
  if (!is_operator(":") && !is_operator("]")) node->stop = parse_expression();
  if (skip_operator(":") && !is_operator("]")) node->step = parse_expression();
  expect_operator("]");
  return node;
}

CallArguments ExpressionParser::parse_arguments() {
  CallArguments arguments;
  expect_operator("(");
  bool is_first = true;
  while (!is_operator(")")) {
    if (!is_first) expect_operator(",");
    is_first = false;
    if (is_operator(")")) break;
    if (skip_operator("*")) {
      if (arguments.star != nullptr || arguments.double_star != nullptr) fail_here("misplaced *");
      arguments.star = parse_expression();
    } else if (skip_operator("**")) {
      if (arguments.double_star != nullptr) fail_here("misplaced **");
      arguments.double_star = parse_expression();
    } else if (current().type == TokenType::kName && ahead().type == TokenType::kOperator &&
               ahead().text == "=") {
      std::string name = take().text;
      take();
      arguments.named.emplace_back(std::move(name), parse_expression());
    } else {
      if (!arguments.named.empty() || arguments.star != nullptr || arguments.double_star != nullptr) {
        fail_here("a positional argument follows a keyword argument");
      }
      arguments.positional.push_back(parse_expression());
    }
  }
  expect_operator(")");
  return arguments;
}

Expr* ExpressionParser::parse_filter(Expr* base) {
  auto* node = make<FilterExpr>(ExprKind::kFilter);
  node->base = base;
  node->name = expect_name();
  while (skip_operator(".")) node->name += "." + expect_name();
  node->filter = find_filter(node->name);
  if (is_operator("(")) node->arguments = parse_arguments();
  return node;
}

bool ExpressionParser::at_test_argument() const {
  switch (current().type) {
    case TokenType::kName: return !is_word("else") && !is_word("or") && !is_word("and") && !is_word("is");
    case TokenType::kString:
    case TokenType::kInteger:
    case TokenType::kFloat: return true;
    default: return is_operator("[") || is_operator("{");
  }
}

Expr* ExpressionParser::parse_test(Expr* base) {
  expect_name();  // "is"
  const bool is_negated = skip_word("not");
  auto* node = make<FilterExpr>(ExprKind::kTest);
  node->base = base;
  node->name = expect_name();
  while (skip_operator(".")) node->name += "." + expect_name();
  node->test = find_test(node->name);
  if (is_operator("(")) {
    node->arguments = parse_arguments();
  } else if (is_word("is")) {
    fail_here("tests cannot be chained with 'is'");
  } else if (at_test_argument()) {
    node->arguments.positional.push_back(parse_postfix(parse_primary()));
  }
  if (!is_negated) return node;
  auto* negation = make<UnaryExpr>(ExprKind::kNot);
  negation->operand = node;
  return negation;
}

}  // namespace tandem::text::jinja
