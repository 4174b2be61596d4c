#include "tandem/model/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

namespace tandem::model {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<float> random_logits(std::size_t count, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0, 3);
  std::vector<float> logits(count);
  for (float& logit : logits) logit = normal(engine);
  return logits;
}

/// min_p, top_k and top_p by their definitions, in f64, by sorting everything.
std::vector<double> reference(const std::vector<float>& logits, const step::SamplingParams& params) {
  std::vector<double> p(logits.size());
  const double largest = *std::max_element(logits.begin(), logits.end());
  const auto normalize = [&] {
    const double total = std::accumulate(p.begin(), p.end(), 0.0);
    for (double& value : p) value /= total;
  };
  for (std::size_t i = 0; i < p.size(); ++i) p[i] = std::exp((logits[i] - largest) / params.temperature);
  for (double& value : p) value = value < params.min_p ? 0 : value;
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return logits[a] > logits[b]; });
  if (params.top_k > 0 && static_cast<std::size_t>(params.top_k) < p.size()) {
    const float last = logits[order[params.top_k - 1]];
    for (std::size_t i = 0; i < p.size(); ++i) p[i] = logits[i] < last ? 0 : p[i];
  }
  normalize();
  double before = 0;
  for (const std::size_t i : order) {
    const double own = p[i];
    if (before > 0 && params.top_p < 1 && before >= params.top_p) p[i] = 0;
    before += own;
  }
  normalize();
  return p;
}

TEST(Probabilities, equal_the_definitions_over_many_parameters) {
  for (const std::size_t vocab : {3, 70, 5000}) {
    std::vector<float> logits = random_logits(vocab, 1);
    logits[1] = logits[2];
    for (const float temperature : {0.05f, 1.0f, 3.0f}) {
      for (const float top_p : {0.01f, 0.5f, 0.95f, 1.0f}) {
        for (const std::int32_t top_k : {-1, 1, 2, 40}) {
          for (const float min_p : {0.0f, 0.1f, 1.0f}) {
            const step::SamplingParams params{.temperature = temperature, .top_p = top_p, .top_k = top_k, .min_p = min_p};
            const auto expected = reference(logits, params);
            const auto actual = probabilities(logits, 1 << 30, {.params = &params});
            for (std::size_t i = 0; i < vocab; ++i) ASSERT_NEAR(actual[i], expected[i], 1e-9);
          }
        }
      }
    }
  }
}

TEST(Draw, follows_its_probabilities_over_a_hundred_thousand_draws) {
  const std::vector<float> logits = random_logits(40, 2);
  const step::SamplingParams params{.temperature = 0.9f, .top_k = 20, .seed = 77};
  const auto expected = probabilities(logits, 40, {.params = &params});
  std::vector<int> counts(40);
  constexpr int kDraws = 100'000;
  for (int i = 0; i < kDraws; ++i) ++counts[draw(logits, 40, {.params = &params, .position = i}).id];
  double chi_square = 0;
  int cells = 0;
  for (std::size_t id = 0; id < counts.size(); ++id) {
    if (expected[id] == 0) {
      EXPECT_EQ(counts[id], 0);
      continue;
    }
    const double wanted = expected[id] * kDraws;
    chi_square += (counts[id] - wanted) * (counts[id] - wanted) / wanted;
    ++cells;
  }
  ASSERT_EQ(cells, 20);
  EXPECT_LT(chi_square, 49.6);  // 19 degrees of freedom, p = 0.999 84
}

TEST(Draw, depends_on_seed_choice_and_position_alone) {
  const std::vector<float> logits(1000, 0.0f);
  const step::SamplingParams params{.seed = 5}, other_seed{.seed = 6};
  const auto id_of = [&](const step::SamplingParams& p, int choice, int position) {
    return draw(logits, 1000, {.params = &p, .position = position, .choice = choice}).id;
  };
  EXPECT_EQ(id_of(params, 0, 9), id_of(params, 0, 9));
  EXPECT_NE(id_of(params, 0, 9), id_of(other_seed, 0, 9));
  EXPECT_NE(id_of(params, 0, 9), id_of(params, 1, 9));
  EXPECT_NE(id_of(params, 0, 9), id_of(params, 0, 10));
}

TEST(Draw, greedy_takes_the_lowest_id_among_the_largest) {
  const std::vector<float> logits = {1, 5, 2, 5, -kInfinity, std::nanf("")};
  const step::SamplingParams zero{.temperature = 0}, tiny{.temperature = 9e-6f, .top_k = 3};
  EXPECT_EQ(draw(logits, 6, {.params = &zero}).id, 1);
  EXPECT_EQ(draw(logits, 6, {.params = &tiny}).id, 1);
}

TEST(Draw, never_gives_an_id_past_the_vocabulary) {
  const std::vector<float> logits = {0, 0, 90, 90};
  const step::SamplingParams greedy{.temperature = 0, .logit_bias = {{3, 100.0f}}, .num_logprobs = 4}, warm;
  const auto drawn = draw(logits, 2, {.params = &greedy});
  EXPECT_EQ(drawn.id, 0);
  EXPECT_EQ(drawn.top.size(), 2u);
  EXPECT_NEAR(drawn.logprob, std::log(0.5), 1e-6);
  for (int i = 0; i < 200; ++i) EXPECT_LT(draw(logits, 2, {.params = &warm, .position = i}).id, 2);
}

TEST(Draw, forbids_end_ids_until_min_tokens_are_out) {
  const std::vector<float> logits = {9, 1, 2};
  const step::SamplingParams params{.temperature = 0, .logit_bias = {{0, 100.0f}}, .min_tokens = 3, .end_ids = {0, 50}};
  EXPECT_EQ(draw(logits, 3, {.params = &params, .num_output_tokens = 2}).id, 2);
  EXPECT_EQ(draw(logits, 3, {.params = &params, .num_output_tokens = 3}).id, 0);
}

TEST(Draw, keeps_to_the_bitmask_and_falls_back_to_the_likeliest_when_nothing_is_left) {
  const std::vector<float> logits = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  const step::SamplingParams greedy{.temperature = 0}, warm;
  const std::vector<std::uint8_t> some = {0b00001010}, none = {0, 0};
  EXPECT_EQ(draw(logits, 10, {.params = &greedy, .allowed = some}).id, 3);
  for (int i = 0; i < 100; ++i) {
    const auto id = draw(logits, 10, {.params = &warm, .position = i, .allowed = some}).id;
    EXPECT_TRUE(id == 1 || id == 3);
  }
  EXPECT_EQ(draw(logits, 10, {.params = &greedy, .allowed = none}).id, 9);
  EXPECT_EQ(draw(logits, 10, {.params = &warm, .allowed = none}).id, 9);
}

TEST(Draw, penalizes_prompt_and_output_for_repetition_and_output_alone_for_the_others) {
  const std::vector<float> logits = {4, 4, 4, -1};
  TokenCounts counts;
  counts.add_prompt(std::vector<step::TokenId>{0, 3, 99});
  counts.add_output(1);
  counts.add_output(1);
  const step::SamplingParams params{.repetition_penalty = 2, .frequency_penalty = 0.5f, .presence_penalty = 0.25f};
  const auto p = probabilities(logits, 4, {.params = &params, .counts = &counts});
  const double expected[] = {2, 2 - 2 * 0.5 - 0.25, 4, -2};
  for (int id = 0; id < 4; ++id) EXPECT_NEAR(std::log(p[id] / p[2]), expected[id] - 4, 1e-12);
}

TEST(Draw, copes_with_logits_that_are_not_finite) {
  const step::SamplingParams warm{.top_p = 0.9f, .num_logprobs = 2};
  const std::vector<float> nan(5, std::nanf("")), infinite = {0, kInfinity, kInfinity}, hopeless(3, -kInfinity);
  EXPECT_EQ(draw(nan, 5, {.params = &warm}).id, 0);
  EXPECT_EQ(draw(hopeless, 3, {.params = &warm}).id, 0);
  for (int i = 0; i < 50; ++i) EXPECT_GT(draw(infinite, 3, {.params = &warm, .position = i}).id, 0);
}

TEST(Logprobs, show_the_drawn_token_and_the_most_likely_bit_for_bit) {
  const std::vector<float> logits = random_logits(300, 3);
  const step::SamplingParams params{.num_logprobs = 300, .seed = 1};
  const auto drawn = draw(logits, 300, {.params = &params});
  ASSERT_EQ(drawn.top.size(), 300u);
  const auto own = std::find_if(drawn.top.begin(), drawn.top.end(), [&](const auto& t) { return t.id == drawn.id; });
  EXPECT_EQ(own->logprob, drawn.logprob);
  EXPECT_EQ(own - drawn.top.begin() + 1, drawn.rank);
  EXPECT_TRUE(std::is_sorted(drawn.top.begin(), drawn.top.end(),
                             [](const auto& a, const auto& b) { return a.logprob > b.logprob; }));
  EXPECT_EQ(logprob_of(logits, 300, drawn.id, 2).logprob, drawn.logprob);
  EXPECT_EQ(logprob_of(logits, 300, 300, 2).logprob, -kInfinity);
}

}  // namespace
}  // namespace tandem::model
