// Draws tokens on the last rank, with vLLM's meaning and order (step/sampling.h). Counter-based randomness: a draw depends on
// (seed, choice, position, draw number) alone, so not on the batch, the split or what else runs.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "tandem/step/sampling.h"
#include "tandem/step/step_plan.h"

namespace tandem::model {

/// How often each id occurred, for penalties; kept per sequence by the stage, from `open` and later plans alone.
class TokenCounts {
 public:
  void add_prompt(std::span<const step::TokenId> ids);
  void add_output(step::TokenId id);
  // (representation: the implementer's)
};

/// What one draw needs beside its logits.
struct DrawContext {
  const step::SamplingParams* params = nullptr;
  const TokenCounts* counts = nullptr;
  std::int32_t num_output_tokens = 0;  ///< so far; min_tokens compares with it
  std::int64_t position = 0;           ///< of the token to be drawn
  std::int32_t choice = 0;
  std::span<const std::uint8_t> allowed;  ///< token bitmask, or empty
};

/// `logits`: f32 [V_tokenizer or more] on the host; ids ≥ vocab_limit are never drawn. Returns the token, with log-probabilities
/// as params->num_logprobs asks.
step::TokenResult draw(std::span<const float> logits, std::int32_t vocab_limit, const DrawContext& context);

/// Probabilities after every transformation, in f64, for tests.
std::vector<double> probabilities(std::span<const float> logits, std::int32_t vocab_limit, const DrawContext& context);

}  // namespace tandem::model
