// Jinja expressions to nodes, by recursive descent with Jinja's own precedence. The statement parser builds on
// it.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tandem/text/jinja/ast.h"
#include "tandem/text/jinja/lexer.h"

namespace tandem::text::jinja {

class ExpressionParser {
 public:
  ExpressionParser(std::vector<Token> tokens, Template& tree);

 protected:
  enum class Conditional { kAllowed, kNotAllowed };

  /// One expression, or several with commas: a tuple.
  Expr* parse_tuple(Conditional conditional = Conditional::kAllowed, std::string_view end_word = {});
  Expr* parse_expression(Conditional conditional = Conditional::kAllowed);
  /// After the name's "|" or as a block's first filter: name, arguments, and the filters that follow.
  Expr* parse_filter_chain(Expr* base);
  /// "(…)" of a call.
  CallArguments parse_arguments();
  /// What a primary expression's name or bracket is followed by: .name, [key], (arguments).
  Expr* parse_postfix(Expr* node);
  Expr* parse_primary();

  const Token& current() const { return tokens_[place_]; }
  const Token& ahead() const { return tokens_[std::min(place_ + 1, tokens_.size() - 1)]; }
  Token take();
  bool is_operator(std::string_view op) const;
  bool is_word(std::string_view word) const;
  bool skip_operator(std::string_view op);
  bool skip_word(std::string_view word);
  void expect_operator(std::string_view op);
  void expect(TokenType type, std::string_view what);
  std::string expect_name();
  [[noreturn]] void fail_here(const std::string& message) const;
  [[noreturn]] void fail_unexpected(std::string_view wanted) const;

  template <typename T, typename... Args>
  T* make(Args... args) {
    auto owned = std::make_unique<T>(args...);
    T* node = owned.get();
    node->line = current().line;
    tree_.nodes.push_back(std::move(owned));
    return node;
  }
  /// The number of a name; notes its use for the macros around it.
  NameId intern(const std::string& name);

  /// Counts nesting of statements and expressions alike.
  class Nest {
   public:
    explicit Nest(ExpressionParser& parser);
    ~Nest() { --parser_.depth_; }
    Nest(const Nest&) = delete;

   private:
    ExpressionParser& parser_;
  };

  Template& tree_;
  std::vector<MacroStatement*> open_macros_;

 private:
  Expr* parse_conditional();
  Expr* parse_or();
  Expr* parse_and();
  Expr* parse_not();
  Expr* parse_compare();
  Expr* parse_sum();
  Expr* parse_concat();
  Expr* parse_product();
  Expr* parse_power();
  Expr* parse_filtered_unary();
  Expr* parse_unary(bool with_filters);
  Expr* parse_name();
  Expr* parse_string();
  Expr* parse_number();
  Expr* parse_parentheses();
  Expr* parse_list();
  Expr* parse_dict();
  Expr* parse_filters(Expr* node);
  Expr* parse_attribute(Expr* base);
  Expr* parse_subscript(Expr* base);
  Expr* parse_slice(Expr* base, Expr* start);
  Expr* parse_filter(Expr* base);
  Expr* parse_test(Expr* base);
  Expr* parse_binary(Expr* (ExpressionParser::*operand)(), std::string_view operators);
  std::optional<BinaryOp> binary_operator(std::string_view allowed) const;
  std::optional<CompareOp> skip_comparison();
  bool at_tuple_end(std::string_view end_word) const;
  bool at_test_argument() const;
  Expr* constant(Value value);
  Expr* string_constant(std::string text);

  std::vector<Token> tokens_;
  std::size_t place_ = 0;
  int depth_ = 0;
  std::map<std::string, NameId> names_;
};

}  // namespace tandem::text::jinja
