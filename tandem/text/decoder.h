// Tokens back to text, one at a time: every decoder of tokenizer.json as a step that holds back
// only what later tokens may still change. Used by Detokenizer, and by Tokenizer::decode, which is
// the same thing at once.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tandem/base/json.h"

namespace tandem::text {

/// Receives tokens. A token may come in several pieces of whole characters: behind "Fuse" all text
/// is one token.
class TokenSink {
 public:
  virtual ~TokenSink() = default;
  virtual void text(std::string_view piece) = 0;
  virtual void end_token() = 0;
  /// No token comes after this one.
  virtual void finish() = 0;
};

/// What makes the steps; immutable, every call is safe from any thread.
class Decoder {
 public:
  /// Joins tokens with spaces, as `tokenizers` does without a decoder.
  Decoder();
  /// From tokenizer.json's "decoder". Throws Error{kCorrupt | kUnsupported} that names `where`.
  Decoder(const Json& json, const std::string& where);

  /// A fresh chain of steps that ends in `last`, first step in front; never empty. `last` must
  /// outlive it.
  std::vector<std::unique_ptr<TokenSink>> make_steps(TokenSink& last) const;

 private:
  using MakeStep = std::function<std::unique_ptr<TokenSink>(TokenSink& next)>;
  void append(const Json& json, const std::string& where, int depth);
  std::vector<MakeStep> makers_;
};

}  // namespace tandem::text
