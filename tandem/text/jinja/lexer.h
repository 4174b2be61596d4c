// Splits Jinja source into tokens, with the white-space rules of transformers' environment: trim_blocks and
// lstrip_blocks on, one trailing newline dropped, every line ending read as "\n".
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tandem::text::jinja {

enum class TokenType : unsigned char {
  kData,           ///< template text between tags
  kBlockBegin,     ///< {%
  kBlockEnd,       ///< %}
  kVariableBegin,  ///< {{
  kVariableEnd,    ///< }}
  kName,
  kString,         ///< text: the decoded contents
  kInteger,
  kFloat,
  kOperator,
  kEnd,
};

struct Token {
  TokenType type;
  std::string text;
  int line = 1;
  int column = 1;
};

/// Throws Error{kCorrupt, "chat template, line L, column C: …"}. The last token is kEnd.
std::vector<Token> tokenize(std::string_view source);

/// Throws that error.
[[noreturn]] void fail_at(int line, int column, const std::string& message);

}  // namespace tandem::text::jinja
