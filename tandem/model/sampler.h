// Draws tokens on the last rank, with vLLM's meaning and order (step/sampling.h). Counter-based randomness: a draw depends on
// (seed, choice, position) alone, so not on the batch, the split or what else runs. No libtorch; safe from any thread.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "tandem/step/sampling.h"
#include "tandem/step/step_plan.h"

namespace tandem::model {

/// How often each id occurred, for penalties; kept per sequence by the stage, from `open` and later plans alone.
class TokenCounts {
 public:
  struct Count {
    bool in_prompt = false;
    std::int32_t in_output = 0;
  };
  void add_prompt(std::span<const step::TokenId> ids);
  void add_output(step::TokenId id);
  const std::unordered_map<step::TokenId, Count>& counts() const { return counts_; }

 private:
  std::unordered_map<step::TokenId, Count> counts_;
};

/// True when the parameters make `draw` look at TokenCounts; a stage need not keep them otherwise.
bool needs_counts(const step::SamplingParams& params);

/// What one draw needs beside its logits.
struct DrawContext {
  const step::SamplingParams* params = nullptr;
  const TokenCounts* counts = nullptr;    ///< may be null when !needs_counts(*params)
  std::int32_t num_output_tokens = 0;     ///< so far; min_tokens compares with it
  std::int64_t position = 0;              ///< of the token to be drawn
  std::int32_t choice = 0;
  std::span<const std::uint8_t> allowed;  ///< token bitmask, or empty; ids past its end are not allowed
};

/// `logits`: f32 [V] on the host; ids ≥ vocab_limit are never drawn, ranked or counted in a probability. Returns the token, with
/// log-probabilities as params->num_logprobs asks. Greedy takes the lowest id among the largest logits. Where masks leave
/// nothing to draw, the likeliest id without them is returned: a request never stops a step.
step::TokenResult draw(std::span<const float> logits, std::int32_t vocab_limit, const DrawContext& context);

/// The raw log-probability of a given id, for RowRequest::kLogprobOf; `num_logprobs` as in SamplingParams (≥ 0).
step::TokenResult logprob_of(std::span<const float> logits, std::int32_t vocab_limit, step::TokenId id,
                             std::int32_t num_logprobs);

/// Probabilities after every transformation, in f64, as `draw` uses them; [min(V, vocab_limit)]. For greedy parameters the
/// drawn token has 1.
std::vector<double> probabilities(std::span<const float> logits, std::int32_t vocab_limit, const DrawContext& context);

}  // namespace tandem::model
