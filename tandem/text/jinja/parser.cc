#include "tandem/text/jinja/parser.h"

#include <initializer_list>
#include <utility>

#include "tandem/text/jinja/expression_parser.h"

namespace tandem::text::jinja {
namespace {

class StatementParser : public ExpressionParser {
 public:
  using ExpressionParser::ExpressionParser;

  void run() {
    tree_.body = parse_body({});
    if (current().type != TokenType::kEnd) fail_here("unknown or misplaced tag '" + current().text + "'");
  }

 private:
  using Words = std::initializer_list<std::string_view>;

  bool is_any_word(Words words) const {
    for (const std::string_view word : words) {
      if (is_word(word)) return true;
    }
    return false;
  }

  /// Statements up to {% with one of `ends`, whose tag is left open at that word; or up to the end of the
  /// template.
  Body parse_body(Words ends) {
    const Nest nest(*this);
    Body body;
    while (true) {
      if (current().type == TokenType::kData) {
        auto* text = make<TextStatement>();
        text->text = take().text;
        body.push_back(text);
      } else if (current().type == TokenType::kVariableBegin) {
        body.push_back(parse_print());
      } else if (current().type == TokenType::kBlockBegin) {
        take();
        if (is_any_word(ends)) return body;
        body.push_back(parse_statement());
        expect(TokenType::kBlockEnd, "'%}'");
      } else {
        if (ends.size() > 0) fail_unexpected("{% " + std::string(*(ends.end() - 1)) + " %}");
        return body;
      }
    }
  }

  /// ":"? "%}", the body, and the word that ends it.
  Body parse_block(Words ends) {
    skip_operator(":");
    expect(TokenType::kBlockEnd, "'%}'");
    return parse_body(ends);
  }
  Body parse_block_to(std::string_view end) {
    Body body = parse_block({end});
    take();
    return body;
  }

  Statement* parse_print() {
    take();
    auto* print = make<PrintStatement>();
    print->value = parse_tuple();
    expect(TokenType::kVariableEnd, "'}}'");
    return print;
  }

  Statement* parse_statement() {
    static const std::map<std::string_view, Statement* (StatementParser::*)()> kStatements = {
        {"if", &StatementParser::parse_if},           {"for", &StatementParser::parse_for},
        {"set", &StatementParser::parse_set},         {"macro", &StatementParser::parse_macro},
        {"call", &StatementParser::parse_call_block}, {"filter", &StatementParser::parse_filter_block},
        {"with", &StatementParser::parse_with},       {"generation", &StatementParser::parse_generation},
        {"break", &StatementParser::parse_break},     {"continue", &StatementParser::parse_continue},
        {"print", &StatementParser::parse_print_tag}};
    if (current().type != TokenType::kName) fail_unexpected("the name of a tag");
    const auto statement = kStatements.find(current().text);
    if (statement == kStatements.end()) fail_here("unknown or misplaced tag '" + current().text + "'");
    return (this->*statement->second)();
  }

  Statement* parse_print_tag() {
    take();
    auto* print = make<PrintStatement>();
    auto* values = make<ItemsExpr>(ExprKind::kConcat);
    values->items.push_back(parse_expression());
    while (skip_operator(",")) values->items.push_back(parse_expression());
    print->value = values;
    return print;
  }

  Statement* parse_if() {
    auto* node = make<IfStatement>();
    while (is_word("if") || is_word("elif")) {
      take();
      Expr* test = parse_tuple(Conditional::kNotAllowed);
      node->branches.emplace_back(test, parse_block({"elif", "else", "endif"}));
    }
    if (skip_word("else")) node->otherwise = parse_block({"endif"});
    take();
    return node;
  }

  Statement* parse_for() {
    take();
    auto* node = make<ForStatement>();
    node->target = parse_target();
    if (!skip_word("in")) fail_unexpected("'in'");
    node->sequence = parse_tuple(Conditional::kNotAllowed, "recursive");
    if (skip_word("if")) node->test = parse_expression();
    node->is_recursive = skip_word("recursive");
    const int closures_before = closures_;
    ++open_loops_;
    node->body = parse_block({"else", "endfor"});
    --open_loops_;
    node->makes_closures = closures_ != closures_before;
    if (skip_word("else")) node->otherwise = parse_block({"endfor"});
    take();
    return node;
  }

  Target parse_target() {
    const Nest nest(*this);
    Target first = parse_one_target();
    if (!is_operator(",")) return first;
    Target tuple;
    tuple.is_tuple = true;
    tuple.items.push_back(std::move(first));
    while (skip_operator(",")) {
      if (is_word("in") || is_operator("=") || is_operator(")") || current().type == TokenType::kBlockEnd)
        break;
      tuple.items.push_back(parse_one_target());
    }
    return tuple;
  }

  Target parse_one_target() {
    if (skip_operator("(")) {
      Target inner = parse_target();
      expect_operator(")");
      return inner;
    }
    Target target;
    const std::string name = expect_name();
    for (const char* constant : {"true", "false", "none", "True", "False", "None"}) {
      if (name == constant) fail_here("cannot assign to '" + name + "'");
    }
    target.name = intern(name);
    if (skip_operator(".")) target.attribute = expect_name();
    return target;
  }

  Statement* parse_set() {
    take();
    Target target = parse_target();
    if (skip_operator("=")) {
      auto* node = make<SetStatement>();
      node->target = std::move(target);
      node->value = parse_tuple();
      return node;
    }
    auto* node = make<SetBlockStatement>();
    node->target = std::move(target);
    if (skip_operator("|")) node->filter = parse_filter_chain(nullptr);
    node->body = parse_block_to("endset");
    return node;
  }

  void parse_parameters(MacroStatement& macro) {
    expect_operator("(");
    while (!is_operator(")")) {
      if (!macro.parameters.empty()) expect_operator(",");
      if (is_operator(")")) break;
      MacroStatement::Parameter parameter;
      parameter.spelling = expect_name();
      parameter.name = intern(parameter.spelling);
      if (skip_operator("=")) {
        parameter.otherwise = parse_expression();
      } else if (!macro.parameters.empty() && macro.parameters.back().otherwise != nullptr) {
        fail_here("a parameter without a default follows one with");
      }
      macro.parameters.push_back(std::move(parameter));
    }
    expect_operator(")");
  }

  void parse_macro_body(MacroStatement& macro, std::string_view end) {
    ++closures_;
    const int loops = std::exchange(open_loops_, 0);
    open_macros_.push_back(&macro);
    macro.body = parse_block_to(end);
    open_macros_.pop_back();
    open_loops_ = loops;
  }

  Statement* parse_macro() {
    take();
    auto* macro = make<MacroStatement>();
    macro->spelling = expect_name();
    macro->name = intern(macro->spelling);
    parse_parameters(*macro);
    parse_macro_body(*macro, "endmacro");
    return macro;
  }

  Statement* parse_call_block() {
    take();
    auto* node = make<CallBlockStatement>();
    node->body = make<MacroStatement>();
    node->body->spelling = "caller";
    if (is_operator("(")) parse_parameters(*node->body);
    Expr* call = parse_expression();
    if (call->kind != ExprKind::kCall) fail_here("expected a call");
    node->call = static_cast<CallExpr*>(call);
    parse_macro_body(*node->body, "endcall");
    return node;
  }

  Statement* parse_filter_block() {
    take();
    auto* node = make<FilterBlockStatement>();
    node->filter = parse_filter_chain(nullptr);
    node->body = parse_block_to("endfilter");
    return node;
  }

  Statement* parse_with() {
    take();
    auto* node = make<WithStatement>(StatementKind::kWith);
    while (current().type != TokenType::kBlockEnd) {
      if (!node->assignments.empty()) expect_operator(",");
      Target target = parse_one_target();
      expect_operator("=");
      node->assignments.emplace_back(std::move(target), parse_expression());
    }
    node->body = parse_block_to("endwith");
    return node;
  }

  Statement* parse_generation() {
    take();
    auto* node = make<WithStatement>(StatementKind::kScope);
    node->body = parse_block_to("endgeneration");
    return node;
  }

  Statement* parse_break() { return parse_loop_control(StatementKind::kBreak); }
  Statement* parse_continue() { return parse_loop_control(StatementKind::kContinue); }
  Statement* parse_loop_control(StatementKind kind) {
    if (open_loops_ == 0) fail_here("'" + current().text + "' outside of a loop");
    take();
    return make<Statement>(kind);
  }

  int closures_ = 0;
  int open_loops_ = 0;
};

}  // namespace

Template parse_template(std::string_view source) {
  if (source.size() > kMaxTemplateBytes) {
    fail_at(
        1, 1,
        std::to_string(source.size()) + " bytes, at most " + std::to_string(kMaxTemplateBytes) + " are read");
  }
  Template tree;
  StatementParser(tokenize(source), tree).run();
  return tree;
}

}  // namespace tandem::text::jinja
