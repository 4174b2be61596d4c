// What single tokens look like in log-probabilities: their bytes, and a name that is always UTF-8.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tandem/text/tokenizer.h"

namespace tandem::api {

/// A tokenizer decodes texts; this asks it for the part of one token. Keeps a reference to the
/// tokenizer.
class TokenText {
 public:
  explicit TokenText(const text::Tokenizer& tokenizer);
  /// The bytes that the token adds in the middle of a text: leading space kept, special tokens
  /// spelled out, half a character as it is.
  std::string bytes(text::TokenId id) const;

 private:
  std::string raw_bytes(text::TokenId id, std::string_view decoded) const;

  const text::Tokenizer& tokenizer_;
  std::optional<text::TokenId>
      anchor_;  ///< decoded before the token, so that no decoder strips it as a text's beginning
  std::string anchor_text_;
};

bool is_utf8(std::string_view bytes);
/// Characters (code points) of UTF-8 text.
std::int64_t count_characters(std::string_view text);
/// `bytes` if they are UTF-8, else with U+FFFD in place of the rest (chat's "token"; the "bytes"
/// array has the truth).
std::string printable(std::string_view bytes);
/// `bytes` if they are UTF-8, else "bytes:\xe2\x96" as OpenAI writes it: the legacy format has
/// names only, and they must differ.
std::string legacy_name(std::string_view bytes);

}  // namespace tandem::api
