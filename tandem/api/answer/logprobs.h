// Log-probabilities in OpenAI's two styles.
#pragma once

#include <cstdint>
#include <string>

#include "tandem/api/answer/token_text.h"
#include "tandem/base/json.h"
#include "tandem/engine/engine.h"

namespace tandem::api {

/// How tokens are named in log-probabilities.
class LogprobNames {
 public:
  /// `as_ids`: "token_id:N" instead of text (return_tokens_as_token_ids).
  LogprobNames(const text::Tokenizer& tokenizer, bool as_ids) : text_(tokenizer), as_ids_(as_ids) {}

  /// An element of choices[].logprobs.content: {"token","logprob","bytes","top_logprobs":[…]}.
  Json chat_entry(const step::TokenResult& token) const;
  /// Appends one token to a legacy {"tokens","token_logprobs","top_logprobs","text_offset"}; the
  /// drawn token is always among its alternatives, with the bit-equal value.
  void append_legacy(Json& logprobs, const step::TokenResult& token,
                     std::int64_t text_offset) const;

 private:
  Json named(step::TokenId id, float logprob) const;
  std::string legacy(step::TokenId id) const;

  const TokenText text_;
  const bool as_ids_;
};

/// The empty legacy object.
Json legacy_logprobs();

/// JSON has no infinity: clamped to -9999, as vLLM does.
double finite_logprob(float logprob);

}  // namespace tandem::api
