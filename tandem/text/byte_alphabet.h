// GPT-2's alphabet: every byte as a printable character, so that any bytes are text to a BPE model
// ("Ġ" is a space). Used by the ByteLevel normalizer, pre-tokenizer and decoder.
#pragma once

#include <optional>
#include <string_view>

namespace tandem::text {

/// The character, in UTF-8, that stands for `byte`.
std::string_view byte_character(char byte);
/// The byte that `c` stands for; nullopt for a character outside the alphabet.
std::optional<char> character_byte(char32_t c);

}  // namespace tandem::text
