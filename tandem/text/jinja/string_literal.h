// Escapes of a quoted string in Jinja source, as Python's unicode-escape codec reads them. Called by the lexer.
#pragma once

#include <string>
#include <string_view>

namespace tandem::text::jinja {

/// The string between the quotes, decoded. Unknown and malformed escapes stay as they are; a pair of surrogates
/// becomes the character it means.
std::string decode_string_literal(std::string_view quoted);

}  // namespace tandem::text::jinja
