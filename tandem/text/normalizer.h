// What happens to a text before it is cut into words: Unicode forms, replacements, the leading "▁"
// of SentencePiece. Called by Tokenizer::encode for every stretch between added tokens.
#pragma once

#include <memory>
#include <string>

#include "tandem/base/json.h"
#include "tandem/text/aligned_text.h"

namespace tandem::text {

/// Immutable; every call is safe from any thread.
class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual void apply(AlignedText& text) const = 0;
};

/// From tokenizer.json's "normalizer". What it makes is never longer than 16 times the text and 64
/// KiB; a file that asks for more gets Error{kResourceExhausted} when it is used. Throws
/// Error{kCorrupt | kUnsupported} that names `where`.
std::unique_ptr<Normalizer> make_normalizer(const Json& json, const std::string& where);

}  // namespace tandem::text
