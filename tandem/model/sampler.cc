#include "tandem/model/sampler.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include "tandem/model/random.h"

namespace tandem::model {
namespace {

using step::SamplingParams;
using step::TokenId;

constexpr double kNever = -std::numeric_limits<double>::infinity();
/// Below this temperature vLLM takes the likeliest token.
constexpr float kGreedyTemperature = 1e-5f;

bool is_greedy(const SamplingParams& params) { return params.temperature < kGreedyTemperature; }

std::span<const float> within(std::span<const float> logits, std::int32_t vocab_limit) {
  return logits.first(std::min(logits.size(), static_cast<std::size_t>(std::max(vocab_limit, 0))));
}

/// NaN counts as impossible everywhere: no comparison below is true for it.
TokenId argmax(std::span<const float> logits) {
  std::size_t best = 0;
  float largest = -std::numeric_limits<float>::infinity();
  for (std::size_t id = 0; id < logits.size(); ++id) {
    if (logits[id] > largest) {
      largest = logits[id];
      best = id;
    }
  }
  return static_cast<TokenId>(best);
}

bool is_allowed(std::span<const std::uint8_t> bitmask, std::size_t id) {
  return id / 8 < bitmask.size() && (bitmask[id / 8] >> (id % 8) & 1) != 0;
}

void apply_penalties(const SamplingParams& params, const TokenCounts& counts, std::vector<double>& logits) {
  for (const auto& [id, count] : counts.counts()) {
    if (id < 0 || static_cast<std::size_t>(id) >= logits.size()) continue;
    double& logit = logits[id];
    logit = logit > 0 ? logit / params.repetition_penalty : logit * params.repetition_penalty;
    logit -= static_cast<double>(params.frequency_penalty) * count.in_output;
    if (count.in_output > 0) logit -= params.presence_penalty;
  }
}

/// Everything that can change which token is the likeliest: bitmask, logit_bias, min_tokens, penalties.
std::vector<double> adjusted_logits(std::span<const float> logits, const DrawContext& context) {
  const SamplingParams& params = *context.params;
  std::vector<double> adjusted(logits.begin(), logits.end());
  for (double& logit : adjusted) {
    if (std::isnan(logit)) logit = kNever;
  }
  if (!context.allowed.empty()) {
    for (std::size_t id = 0; id < adjusted.size(); ++id) {
      if (!is_allowed(context.allowed, id)) adjusted[id] = kNever;
    }
  }
  const auto is_token = [&](TokenId id) { return id >= 0 && static_cast<std::size_t>(id) < adjusted.size(); };
  for (const auto& [id, bias] : params.logit_bias) {
    if (is_token(id)) adjusted[id] += bias;
  }
  if (context.num_output_tokens < params.min_tokens) {
    for (const TokenId id : params.end_ids) {
      if (is_token(id)) adjusted[id] = kNever;
    }
  }
  if (needs_counts(params) && context.counts != nullptr) apply_penalties(params, *context.counts, adjusted);
  return adjusted;
}

bool changes_logits(const DrawContext& context) {
  const SamplingParams& params = *context.params;
  return !context.allowed.empty() || !params.logit_bias.empty() || needs_counts(params) ||
         context.num_output_tokens < params.min_tokens;
}

/// min_p: what is less likely than min_p times the likeliest goes. p / p_max = exp((l - l_max) / temperature).
void keep_min_p(const SamplingParams& params, double largest, std::vector<double>& logits) {
  if (params.min_p <= 0) return;
  const double threshold = largest + std::log(static_cast<double>(params.min_p)) * params.temperature;
  for (double& logit : logits) {
    if (logit < threshold) logit = kNever;
  }
}

/// top_k: the k likeliest stay, and all that are as likely as the k-th, as in vLLM.
void keep_top_k(std::int32_t k, std::vector<double>& logits) {
  if (k <= 0 || static_cast<std::size_t>(k) >= logits.size()) return;
  std::vector<double> likeliest(k);
  std::partial_sort_copy(logits.begin(), logits.end(), likeliest.begin(), likeliest.end(), std::greater<>());
  for (double& logit : logits) {
    if (logit < likeliest.back()) logit = kNever;
  }
}

/// top_p: the shortest run of likeliest tokens whose probabilities reach p; lower ids first among equals.
void keep_top_p(double p, std::vector<double>& weights) {
  if (p >= 1) return;
  struct Candidate {
    std::size_t id = 0;
    double weight = 0;
  };
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  // Tokens below this are together less than the 1 - p that may go, so none of them is in the run: of 131,072 ids some
  // hundreds are left to sort.
  const double negligible = (1 - p) * total / static_cast<double>(weights.size());
  std::vector<Candidate> candidates;
  for (std::size_t id = 0; id < weights.size(); ++id) {
    if (weights[id] >= negligible && weights[id] > 0) candidates.push_back({.id = id, .weight = weights[id]});
  }
  std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    return a.weight != b.weight ? a.weight > b.weight : a.id < b.id;
  });
  std::fill(weights.begin(), weights.end(), 0.0);
  double reached = 0;
  for (const Candidate& candidate : candidates) {
    if (reached > 0 && reached >= p * total) break;
    weights[candidate.id] = candidate.weight;
    reached += candidate.weight;
  }
}

/// Probabilities times a common factor, 0 for what may not be drawn; empty when masks leave nothing.
std::vector<double> weights_of(std::span<const float> logits, const DrawContext& context) {
  const SamplingParams& params = *context.params;
  std::vector<double> weights = adjusted_logits(logits, context);
  const double largest = weights.empty() ? kNever : *std::max_element(weights.begin(), weights.end());
  if (largest == kNever) return {};
  keep_min_p(params, largest, weights);
  keep_top_k(params.top_k, weights);
  for (double& value : weights) {
    // Infinities that are equal differ by NaN, and are equally likely.
    value = value == kNever ? 0.0 : value == largest ? 1.0 : std::exp((value - largest) / params.temperature);
  }
  keep_top_p(params.top_p, weights);
  return weights;
}

TokenId draw_greedy(std::span<const float> logits, const DrawContext& context) {
  if (!changes_logits(context)) return argmax(logits);
  const std::vector<double> adjusted = adjusted_logits(logits, context);
  const auto best = std::max_element(adjusted.begin(), adjusted.end());
  if (best == adjusted.end() || *best == kNever) return argmax(logits);
  return static_cast<TokenId>(best - adjusted.begin());
}

/// Walks up the distribution until it passes a uniform number.
TokenId draw_random(std::span<const float> logits, const DrawContext& context) {
  const std::vector<double> weights = weights_of(logits, context);
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  if (total <= 0) return argmax(logits);
  const double target =
      total * uniform({.seed = context.params->seed, .choice = context.choice, .position = context.position});
  double passed = 0;
  std::size_t last = 0;
  for (std::size_t id = 0; id < weights.size(); ++id) {
    if (weights[id] == 0) continue;
    passed += weights[id];
    last = id;
    if (passed > target) break;
  }
  return static_cast<TokenId>(last);
}

/// log(sum(exp(logits))), in f64.
double log_sum_exp(std::span<const float> logits) {
  const float largest = logits[argmax(logits)];
  double sum = 0;
  for (const float logit : logits) {
    if (!std::isnan(logit)) sum += std::exp(static_cast<double>(logit) - largest);
  }
  return largest + std::log(sum);
}

void add_logprobs(std::span<const float> logits, std::int32_t num_logprobs, step::TokenResult& result) {
  if (logits.empty() || num_logprobs < 0) return;
  const double normalizer = log_sum_exp(logits);
  const auto logprob = [&](TokenId id) { return static_cast<float>(logits[id] - normalizer); };
  result.logprob = logprob(result.id);
  const float chosen = logits[result.id];
  result.rank = static_cast<std::int32_t>(
      std::count_if(logits.begin(), logits.end(), [chosen](float logit) { return logit >= chosen; }));
  if (num_logprobs == 0) return;
  std::vector<TokenId> ids(logits.size());
  std::iota(ids.begin(), ids.end(), 0);
  std::erase_if(ids, [&](TokenId id) { return std::isnan(logits[id]); });
  const std::size_t count = std::min<std::size_t>(num_logprobs, ids.size());
  std::partial_sort(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(count), ids.end(),
                    [&](TokenId a, TokenId b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; });
  for (std::size_t i = 0; i < count; ++i) result.top.push_back({.id = ids[i], .logprob = logprob(ids[i])});
}

}  // namespace

void TokenCounts::add_prompt(std::span<const TokenId> ids) {
  for (const TokenId id : ids) counts_[id].in_prompt = true;
}

void TokenCounts::add_output(TokenId id) { ++counts_[id].in_output; }

bool needs_counts(const SamplingParams& params) {
  return params.repetition_penalty != 1.0f || params.frequency_penalty != 0.0f || params.presence_penalty != 0.0f;
}

step::TokenResult draw(std::span<const float> logits, std::int32_t vocab_limit, const DrawContext& context) {
  const std::span<const float> known = within(logits, vocab_limit);
  step::TokenResult result;
  result.id = is_greedy(*context.params) ? draw_greedy(known, context) : draw_random(known, context);
  add_logprobs(known, context.params->num_logprobs, result);
  return result;
}

step::TokenResult logprob_of(std::span<const float> logits, std::int32_t vocab_limit, TokenId id,
                             std::int32_t num_logprobs) {
  const std::span<const float> known = within(logits, vocab_limit);
  step::TokenResult result{.id = id};
  if (id < 0 || static_cast<std::size_t>(id) >= known.size()) {
    result.logprob = -std::numeric_limits<float>::infinity();
    return result;
  }
  add_logprobs(known, std::max(num_logprobs, 0), result);
  return result;
}

std::vector<double> probabilities(std::span<const float> logits, std::int32_t vocab_limit, const DrawContext& context) {
  const std::span<const float> known = within(logits, vocab_limit);
  std::vector<double> result;
  if (!is_greedy(*context.params)) result = weights_of(known, context);
  if (result.empty()) {
    result.resize(known.size());
    if (!known.empty()) result[draw_greedy(known, context)] = 1.0;
    return result;
  }
  const double total = std::accumulate(result.begin(), result.end(), 0.0);
  for (double& value : result) value /= total;
  return result;
}

}  // namespace tandem::model
