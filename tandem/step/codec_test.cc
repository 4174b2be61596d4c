#include "tandem/step/codec.h"

#include <gtest/gtest.h>

#include "tandem/base/error.h"

namespace tandem::step {
namespace {

StepPlan full_plan() {
  StepPlan plan{.deployment = 3, .generation = 7, .number = 42, .close = {1, 2}};
  OpenSequence open{.sequence = 9, .ids = {5, 6, 7}, .num_prompt_ids = 2, .blocks = {4}};
  open.sampling = {.temperature = 0.5f, .top_k = 3, .logit_bias = {{8, -1.5f}}, .min_tokens = 2, .end_ids = {0, 1},
                   .num_logprobs = 5, .seed = 99, .choice = 1};
  plan.open.push_back(open);
  plan.copy.push_back({.from = 1, .to = 2});
  plan.slices.push_back({.sequence = 9, .first_position = 0, .ids = {5, 6, 7}, .blocks_added = {10, 11}});
  plan.slices[0].requests = {{.row = 1, .kind = RowRequest::Kind::kLogprobOf, .id = 7}, {.row = 2, .num_samples = 4}};
  plan.rank_parts.push_back({.rank = 1, .sequence = 9, .bytes = {0xff, 1}});
  return plan;
}

StepResult full_result() {
  StepResult result{.deployment = 3, .generation = 7, .number = 42};
  RowResult row{.row = 2, .tokens = {{.id = 4, .logprob = -0.5f, .rank = 1, .top = {{4, -0.5f}, {1, -2.0f}}}}};
  result.slices.push_back({.sequence = 9, .rows = {row, {.row = 3, .hidden = {1.0f, 2.0f}}}});
  result.timing = {.rank = 1, .compute_us = 10, .wait_us = 20, .wire_us = 30, .wire_bytes = 40};
  return result;
}

TEST(Codec, plans_and_results_survive_the_wire) {
  EXPECT_EQ(decode_plan(encode(full_plan())), full_plan());
  EXPECT_EQ(decode_result(encode(full_result())), full_result());
}

TEST(Codec, refuses_every_truncation_and_trailing_bytes) {
  for (auto bytes : {encode(full_plan()), encode(full_result())}) {
    const bool is_plan = bytes == encode(full_plan());
    const auto decode = [&](std::span<const std::uint8_t> part) { is_plan ? void(decode_plan(part)) : void(decode_result(part)); };
    for (std::size_t size = 0; size < bytes.size(); ++size) EXPECT_THROW(decode(std::span(bytes).first(size)), Error) << size;
    bytes.push_back(0);
    EXPECT_THROW(decode(bytes), Error);
  }
}

TEST(Codec, forged_counts_and_bytes_never_crash_or_allocate_much) {
  const auto good = encode(full_plan());
  for (std::size_t at = 0; at < good.size(); ++at) {
    auto bad = good;
    bad[at] ^= 0xff;
    try {
      decode_plan(bad);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Code::kCorrupt);
    }
  }
}

TEST(StepPlan, counts_the_rows_of_all_slices) { EXPECT_EQ(full_plan().num_tokens(), 3); }

}  // namespace
}  // namespace tandem::step
