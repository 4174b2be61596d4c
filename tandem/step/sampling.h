// How a token is drawn, with vLLM's names and meaning. Validated by `api`, carried by `StepPlan::open`, obeyed by the last rank.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace tandem::step {

/// The order of application: token bitmask, logit_bias, min_tokens (ends forbidden), penalties (repetition, then frequency,
/// then presence), temperature, min_p, top_k (with all that are as likely as the k-th), top_p, draw.
struct SamplingParams {
  float temperature = 1.0f;         ///< ≥ 0; below 1e-5 greedy, which ignores min_p, top_k and top_p
  float top_p = 1.0f;               ///< (0, 1]
  std::int32_t top_k = 0;           ///< 0 or -1: off
  float min_p = 0.0f;               ///< [0, 1]
  float repetition_penalty = 1.0f;  ///< (0, 2]; over prompt and output tokens
  float frequency_penalty = 0.0f;   ///< [-2, 2]; over output tokens
  float presence_penalty = 0.0f;    ///< [-2, 2]; over output tokens
  std::vector<std::pair<std::int32_t, float>> logit_bias;  ///< (id, [-100, 100])
  std::int32_t min_tokens = 0;      ///< `end_ids` are not drawn before this many output tokens
  std::vector<std::int32_t> end_ids;
  /// -1: no log-probabilities; 0: the drawn token's; n: also the n most likely tokens'. Of the raw log-softmax, before any
  /// of the above. At most the vocabulary's size.
  std::int32_t num_logprobs = -1;
  std::uint64_t seed = 0;           ///< always set: the head draws one for a request without
  std::int32_t choice = 0;          ///< index among the request's n; part of the random counter

  bool operator==(const SamplingParams&) const = default;
};

}  // namespace tandem::step
