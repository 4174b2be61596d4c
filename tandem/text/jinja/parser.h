// Jinja source to a tree. Called once a template, when its model is loaded.
#pragma once

#include <string_view>

#include "tandem/text/jinja/ast.h"

namespace tandem::text::jinja {

/// Names that the interpreter itself binds have fixed numbers.
inline constexpr NameId kNameLoop = 0, kNameCaller = 1, kNameVarargs = 2, kNameKwargs = 3;

/// Statements and expressions nest this deep, and a parenthesis counts twice. Real templates stay under 40.
inline constexpr int kMaxNesting = 150;
inline constexpr std::size_t kMaxTemplateBytes = 4 << 20;

/// Throws Error{kCorrupt} with line and column.
Template parse_template(std::string_view source);

}  // namespace tandem::text::jinja
