// UTF-8 and the few Unicode properties that tokenizers need, over utf8proc. Used by everything in
// the tokenizer; the answers are those of the Unicode versions that `tokenizers` is built with,
// whatever the system's libraries know.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tandem::text {

/// One step through bytes that may not be UTF-8.
struct Utf8Step {
  enum class Kind {
    kValid,       ///< `length` bytes are one character
    kInvalid,     ///< `length` bytes (a maximal subpart, Unicode 3.9) can never become one
    kIncomplete,  ///< the bytes end inside a character; `length` is all of them
  };
  Kind kind;
  int length;
};

/// What `bytes` begin with; `bytes` must not be empty.
Utf8Step step_utf8(std::string_view bytes);
bool is_valid_utf8(std::string_view bytes);

/// The number of bytes of the character that `lead` begins, in valid UTF-8.
inline int utf8_length(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}
/// The character at `text[at]`; `text` must be valid UTF-8 and `at` the beginning of a character.
char32_t decode_utf8(std::string_view text, std::size_t at);
/// The last character of non-empty valid UTF-8.
char32_t last_character(std::string_view text);
void append_utf8(std::string& text, char32_t character);

/// U+FFFD in UTF-8.
inline constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

/// White_Space of the Unicode standard; the same as \s in Rust's regex and in Oniguruma.
bool is_white_space(char32_t c);
/// General category N, of Unicode 17.
bool is_number(char32_t c);
/// General category P, as old as `tokenizers` knows it.
bool is_punctuation(char32_t c);
/// General category M, of Unicode 9.
bool is_mark(char32_t c);
/// \w of Rust's regex: Alphabetic, M, Nd, Pc, Join_Control.
bool is_word(char32_t c);
/// Lower case of one character in Unicode 17, without context: İ becomes two.
void append_lower(std::string& text, char32_t c);

enum class NormalForm { kNfc, kNfd, kNfkc, kNfkd };
/// UAX #15, of Unicode 9. O(n log n) also for runs of combining marks, where utf8proc's own
/// ordering is quadratic.
std::string normalize(std::string_view text, NormalForm form);

/// A character of the same general category, script and UTF-8 length that every supported system
/// knows: `c` itself unless Unicode 15 or 16 added it. Libraries are asked about this one instead.
char32_t well_known(char32_t c);
/// `text` with every character replaced by its well_known; same length, byte for byte. False and
/// untouched when there is none to replace.
bool to_well_known(std::string_view text, std::string& out);

}  // namespace tandem::text
