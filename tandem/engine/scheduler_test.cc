#include "tandem/engine/scheduler.h"

#include <gtest/gtest.h>

#include "tandem/base/error.h"

namespace tandem::engine {
namespace {

using std::chrono::milliseconds;

step::RunnerInfo runner_info(std::int32_t num_blocks, std::uint64_t generation = 1) {
  step::RunnerInfo info;
  info.state = step::RunnerInfo::State::kReady;
  info.generation = generation;
  info.num_blocks = num_blocks;
  info.block_size = 4;
  info.max_model_len = 1024;
  return info;
}

std::unique_ptr<Sequence> sequence(std::uint64_t request, std::int32_t prompt_len, std::int32_t max_tokens = 100) {
  auto s = std::make_unique<Sequence>();
  s->request = request;
  s->ids.assign(prompt_len, 7);
  s->num_prompt_ids = prompt_len;
  s->max_len = prompt_len + max_tokens;
  s->end_ids = {0};
  return s;
}

// Answers every wanted row with `id`.
step::StepResult answer(const step::StepPlan& plan, TokenId id = 9) {
  step::StepResult result{.generation = plan.generation, .number = plan.number};
  for (const step::Slice& slice : plan.slices) {
    step::SliceResult slice_result{.sequence = slice.sequence};
    for (const step::RowRequest& request : slice.requests) {
      slice_result.rows.push_back({.row = request.row, .tokens = {{.id = id}}});
    }
    result.slices.push_back(slice_result);
  }
  return result;
}

class SchedulerTest : public ::testing::Test {
 protected:
  Scheduler scheduler_{{.max_num_seqs = 4, .max_step_tokens = 64}};
  void SetUp() override { scheduler_.begin_generation(runner_info(64)); }
  std::vector<SequenceEvent> step(TokenId id = 9) {
    const auto plan = scheduler_.schedule();
    return plan ? scheduler_.apply(answer(*plan, id), milliseconds(1000)) : std::vector<SequenceEvent>{};
  }
};

TEST_F(SchedulerTest, has_nothing_to_do_without_sequences) { EXPECT_FALSE(scheduler_.schedule()); }

TEST_F(SchedulerTest, opens_a_sequence_with_its_prompt_and_blocks) {
  scheduler_.add(sequence(1, 6));
  const auto plan = scheduler_.schedule();
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->number, 0u);
  ASSERT_EQ(plan->open.size(), 1u);
  EXPECT_EQ(plan->open[0].num_prompt_ids, 6);
  ASSERT_EQ(plan->slices.size(), 1u);
  EXPECT_EQ(plan->slices[0].blocks_added, (std::vector<step::BlockId>{0, 1}));
  EXPECT_EQ(plan->slices[0].requests, (std::vector<step::RowRequest>{{.row = 5}}));
  EXPECT_FALSE(scheduler_.schedule()) << "its next token depends on the plan in flight";
}

TEST_F(SchedulerTest, cuts_long_prompts_into_chunks_and_asks_only_for_the_last_row) {
  scheduler_.add(sequence(1, 50));
  const auto first = scheduler_.schedule();
  EXPECT_EQ(first->slices[0].ids.size(), 32u);
  EXPECT_TRUE(first->slices[0].requests.empty());
  scheduler_.apply(answer(*first), milliseconds(1000));
  const auto second = scheduler_.schedule();
  EXPECT_EQ(second->slices[0].first_position, 32);
  EXPECT_EQ(second->slices[0].ids.size(), 18u);
  EXPECT_EQ(second->slices[0].requests.size(), 1u);
}

TEST_F(SchedulerTest, decodes_and_chunks_share_a_step) {
  scheduler_.add(sequence(1, 4));
  step();
  scheduler_.add(sequence(2, 20));
  const auto plan = scheduler_.schedule();
  ASSERT_EQ(plan->slices.size(), 2u);
  EXPECT_EQ(plan->slices[0].ids.size(), 1u);
  EXPECT_EQ(plan->slices[1].ids.size(), 20u);
}

TEST_F(SchedulerTest, end_tokens_stop_and_free_everything) {
  scheduler_.add(sequence(1, 4));
  EXPECT_FALSE(step(9)[0].event.finish);
  const auto events = step(0);
  EXPECT_EQ(events[0].event.finish, FinishReason::kStop);
  EXPECT_TRUE(events[0].event.is_end_token);
  EXPECT_EQ(scheduler_.num_free_blocks(), 64);
  const auto plan = scheduler_.schedule();
  ASSERT_TRUE(plan) << "the stages have to hear of the end";
  EXPECT_EQ(plan->close.size(), 1u);
  EXPECT_TRUE(plan->slices.empty());
}

TEST_F(SchedulerTest, max_tokens_end_with_length) {
  scheduler_.add(sequence(1, 4, 2));
  EXPECT_FALSE(step()[0].event.finish);
  EXPECT_EQ(step()[0].event.finish, FinishReason::kLength);
}

TEST_F(SchedulerTest, a_cancelled_sequence_is_closed_by_the_next_plan_and_its_late_token_dropped) {
  scheduler_.add(sequence(1, 4));
  const auto in_flight = scheduler_.schedule();
  EXPECT_TRUE(scheduler_.cancel(1, 0));
  EXPECT_TRUE(scheduler_.apply(answer(*in_flight), milliseconds(1)).empty());
  EXPECT_EQ(scheduler_.schedule()->close, (std::vector<step::SequenceId>{in_flight->open[0].sequence}));
  EXPECT_FALSE(scheduler_.cancel(1, 0));
}

TEST_F(SchedulerTest, runs_no_more_sequences_than_allowed) {
  for (std::uint64_t request = 1; request <= 6; ++request) scheduler_.add(sequence(request, 2));
  step();
  EXPECT_EQ(scheduler_.num_running(), 4);
  EXPECT_EQ(scheduler_.num_waiting(), 2);
}

TEST_F(SchedulerTest, preempts_youngest_when_blocks_run_out_and_loses_nothing) {
  scheduler_.begin_generation(runner_info(5));
  scheduler_.add(sequence(1, 7, 13));
  scheduler_.add(sequence(2, 7, 5));
  std::vector<std::int32_t> tokens(3, 0);
  for (int i = 0; i < 60; ++i) {
    for (const auto& event : step()) ++tokens[event.request];
  }
  EXPECT_EQ(tokens[1], 13);
  EXPECT_EQ(tokens[2], 5);
  EXPECT_GE(scheduler_.num_preemptions(), 1u);
  EXPECT_EQ(scheduler_.num_free_blocks(), 5);
}

TEST_F(SchedulerTest, a_new_generation_opens_everything_again_in_order) {
  scheduler_.add(sequence(1, 4));
  scheduler_.add(sequence(2, 4));
  step();
  scheduler_.begin_generation(runner_info(64, 2));
  const auto plan = scheduler_.schedule();
  EXPECT_EQ(plan->number, 0u);
  EXPECT_EQ(plan->generation, 2u);
  ASSERT_EQ(plan->open.size(), 2u);
  EXPECT_EQ(plan->open[0].ids.size(), 5u);
  EXPECT_EQ(plan->open[0].num_prompt_ids, 4);
  EXPECT_TRUE(plan->close.empty());
}

TEST_F(SchedulerTest, chunks_follow_the_measured_speed) {
  scheduler_.begin_generation(runner_info(256));
  scheduler_.add(sequence(1, 500, 1));
  auto plan = scheduler_.schedule();
  scheduler_.apply(answer(*plan), milliseconds(100));
  EXPECT_EQ(scheduler_.chunk_tokens(), 64) << "ten times too fast: doubled, and bounded by max_step_tokens";
  plan = scheduler_.schedule();
  scheduler_.apply(answer(*plan), milliseconds(4000));
  EXPECT_EQ(scheduler_.chunk_tokens(), 32);
}

TEST_F(SchedulerTest, refuses_a_result_that_is_not_of_the_oldest_plan) {
  scheduler_.add(sequence(1, 4));
  auto result = answer(*scheduler_.schedule());
  result.number = 5;
  EXPECT_THROW(scheduler_.apply(result, milliseconds(1)), Error);
}

}  // namespace
}  // namespace tandem::engine
