// Characters of UTF-8 text as Python's str sees them: classes, case, white space. Used by the Jinja lexer,
// string methods and repr; over utf8proc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace tandem::text::jinja {

/// Bytes of the character at `byte` (1 to 4, never past the end); a stray continuation byte counts as one
/// character.
std::size_t character_size(std::string_view text, std::size_t byte);
/// The code point at `byte`; U+FFFD for malformed bytes.
std::uint32_t code_point_at(std::string_view text, std::size_t byte);
std::size_t count_characters(std::string_view text);
void append_utf8(std::string& out, std::uint32_t code_point);
bool is_valid_utf8(std::string_view text);

/// str.isspace() of one character.
bool is_space(std::uint32_t code_point);
/// str.isprintable() of one character.
bool is_printable(std::uint32_t code_point);
/// May begin, or go on with, a Python identifier.
bool is_identifier_start(std::uint32_t code_point);
bool is_identifier_part(std::uint32_t code_point);
bool is_alphabetic(std::uint32_t code_point);  ///< str.isalpha()
bool is_decimal(std::uint32_t code_point);     ///< str.isdecimal()
bool is_digit(std::uint32_t code_point);       ///< str.isdigit(): decimals and superscripts
bool is_numeric(std::uint32_t code_point);     ///< str.isnumeric()
bool is_upper(std::uint32_t code_point);
bool is_lower(std::uint32_t code_point);
bool is_title(std::uint32_t code_point);
bool is_cased(std::uint32_t code_point);
/// Full mappings: "ß" in upper case is "SS".
std::string to_upper(std::uint32_t code_point);
std::string to_lower(std::uint32_t code_point);
std::string to_title(std::uint32_t code_point);

}  // namespace tandem::text::jinja
