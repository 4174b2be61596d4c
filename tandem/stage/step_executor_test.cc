#include "tandem/stage/step_executor.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <set>
#include <thread>

#include "tandem/base/channel.h"
#include "tandem/base/error.h"
#include "tandem/stage/testing/tiny_model.h"

namespace tandem::stage {
namespace {

/// The ranks of one generation as threads over the in-memory transport; plans go to all, results
/// come from the last.
class RankThreads {
 public:
  RankThreads(const std::filesystem::path& folder, int size)
      : plans_(static_cast<std::size_t>(size)) {
    auto meshes =
        size == 1 ? std::vector<std::unique_ptr<comm::Comm>>{} : comm::make_in_memory(size);
    if (size == 1) meshes.push_back(comm::make_single());
    for (int rank = 0; rank < size; ++rank) {
      threads_.emplace_back([this, folder, rank, size,
                             mesh = std::move(meshes[static_cast<std::size_t>(rank)])]() mutable {
        serve(folder, rank, size, std::move(mesh));
      });
    }
  }
  ~RankThreads() {
    for (auto& plans : plans_) plans.close();
    for (auto& thread : threads_) thread.join();
  }

  void submit(const step::StepPlan& plan) {
    for (auto& plans : plans_) plans.send(plan);
  }
  step::StepResult wait() { return results_.receive().value(); }
  step::StepResult run(const step::StepPlan& plan) {
    submit(plan);
    return wait();
  }

 private:
  void serve(const std::filesystem::path& folder, int rank, int size,
             std::unique_ptr<comm::Comm> mesh) {
    const auto model =
        model::load_model(checkpoint::Checkpoint::open(folder), share_of(rank, size), {}, {});
    model->allocate_kv(kBlocks, kBlockSize);
    Generation generation(1, std::move(mesh));
    generation.begin(model->config().hidden_size);
    StepExecutor executor(*model, generation,
                          {.bounds = {.num_blocks = kBlocks,
                                      .block_size = kBlockSize,
                                      .max_model_len = kMaxLen,
                                      .vocab_size = kVocab,
                                      .draws = generation.is_last()},
                           .vocab_limit = kVocab});
    while (auto plan = plans_[static_cast<std::size_t>(rank)].receive()) {
      PendingPlan pending = generation.take(std::move(*plan));
      step::StageTiming timing;
      if (auto result = executor.run(pending, timing)) results_.send(std::move(*result));
    }
  }

  std::vector<Channel<step::StepPlan>> plans_;  // by rank
  Channel<step::StepResult> results_;
  std::vector<std::thread> threads_;
};

TEST(StepExecutor, any_number_of_ranks_answers_with_the_same_bits) {
  const TinyModel model;
  std::vector<std::vector<step::TokenResult>> alone;
  for (const int size : {1, 2, 3, 4}) {
    RankThreads ranks(model.folder(), size);
    const auto drawn = generate(1, [&](const step::StepPlan& plan) { return ranks.run(plan); });
    if (size == 1) alone = drawn;
    EXPECT_EQ(drawn, alone) << size << " ranks";
  }
}

TEST(StepExecutor, plans_in_flight_are_answered_in_order) {
  const TinyModel model;
  RankThreads ranks(model.folder(), 3);
  constexpr std::uint64_t kPlans = 20;
  for (std::uint64_t number = 0; number < kPlans; ++number) {
    step::StepPlan plan;
    plan.number = number;
    if (number > 0) plan.close = {number};
    plan.open = {{.sequence = number + 1, .ids = {5, 6, 7}, .num_prompt_ids = 3}};
    plan.slices = {{.sequence = number + 1,
                    .first_position = 0,
                    .ids = {5, 6, 7},
                    .blocks_added = {0},
                    .requests = {{.row = 2}}}};
    ranks.submit(plan);
  }
  std::optional<step::TokenResult> first;
  for (std::uint64_t number = 0; number < kPlans; ++number) {
    const step::StepResult result = ranks.wait();
    EXPECT_EQ(result.number, number);
    const step::TokenResult& token = result.slices.at(0).rows.at(0).tokens.at(0);
    EXPECT_EQ(token, first.value_or(token));
    first = token;
  }
}

TEST(StepExecutor, answers_every_kind_of_request_and_plans_without_rows) {
  const TinyModel model;
  RankThreads ranks(model.folder(), 2);
  using Kind = step::RowRequest::Kind;
  step::StepPlan plan;
  plan.open = {{.sequence = 1, .ids = {5, 6, 7}, .num_prompt_ids = 3}};
  plan.open[0].sampling = {.temperature = 1.0f, .num_logprobs = 0, .seed = 3};
  plan.slices = {{.sequence = 1,
                  .first_position = 0,
                  .ids = {5, 6, 7},
                  .blocks_added = {2},
                  .requests = {{.row = 0, .kind = Kind::kLogprobOf, .id = 6},
                               {.row = 1, .kind = Kind::kHidden},
                               {.row = 2, .num_samples = 40}}}};
  const step::StepResult result = ranks.run(plan);
  const auto& rows = result.slices.at(0).rows;
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].tokens.at(0).id, 6);
  EXPECT_LT(rows[0].tokens.at(0).logprob, 0);
  EXPECT_EQ(rows[1].hidden.size(), 32u);
  EXPECT_EQ(rows[2].tokens.size(), 40u);
  std::set<step::TokenId> distinct;
  for (const auto& token : rows[2].tokens) distinct.insert(token.id);
  EXPECT_GT(distinct.size(), 5u) << "choices share a draw";

  step::StepPlan closing;
  closing.number = 1;
  closing.close = {1};
  EXPECT_TRUE(ranks.run(closing).slices.empty());
}

TEST(StepExecutor, a_token_mask_for_the_last_rank_is_obeyed) {
  const TinyModel model;
  RankThreads ranks(model.folder(), 2);
  step::StepPlan plan;
  plan.open = {{.sequence = 1, .ids = {5}, .num_prompt_ids = 1}};
  plan.slices = {{.sequence = 1,
                  .ids = {5},
                  .blocks_added = {2},
                  .requests = {{.row = 0, .num_samples = 20}}}};
  std::vector<std::uint8_t> only_11((kVocab + 7) / 8, 0);
  only_11[1] = 1 << 3;
  plan.rank_parts = {{.rank = 1, .sequence = 1, .bytes = only_11}};
  const step::StepResult result = ranks.run(plan);
  for (const auto& token : result.slices.at(0).rows.at(0).tokens) EXPECT_EQ(token.id, 11);
}

}  // namespace
}  // namespace tandem::stage
