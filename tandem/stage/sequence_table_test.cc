#include "tandem/stage/sequence_table.h"

#include <gtest/gtest.h>

#include "tandem/base/error.h"

namespace tandem::stage {
namespace {

using step::RowRequest;
using step::StepPlan;

constexpr SequenceTable::Bounds kBounds{
    .num_blocks = 8, .block_size = 4, .max_model_len = 24, .vocab_size = 100, .draws = true};

StepPlan opening(std::vector<step::TokenId> ids, std::int32_t num_prompt_ids,
                 std::vector<step::BlockId> blocks = {}) {
  StepPlan plan;
  plan.open.push_back({.sequence = 1,
                       .ids = std::move(ids),
                       .num_prompt_ids = num_prompt_ids,
                       .blocks = std::move(blocks)});
  return plan;
}

StepPlan slice_of(std::int32_t first_position, std::vector<step::TokenId> ids,
                  std::vector<step::BlockId> blocks = {}) {
  StepPlan plan;
  plan.slices.push_back({.sequence = 1,
                         .first_position = first_position,
                         .ids = std::move(ids),
                         .blocks_added = std::move(blocks)});
  return plan;
}

/// The message of the Error that the plan causes, "" for none.
std::string refusal(SequenceTable& table, const StepPlan& plan) {
  try {
    table.apply(plan);
    return "";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::kCorrupt);
    return e.what();
  }
}

TEST(SequenceTable, a_prompt_in_chunks_then_decoded_ids_makes_rows_in_plan_order) {
  SequenceTable table(kBounds);
  StepPlan first = opening({10, 11, 12, 13, 14}, 5);
  first.slices = slice_of(0, {10, 11, 12}, {3}).slices;
  EXPECT_EQ(table.apply(first).ids, (std::vector<step::TokenId>{10, 11, 12}));

  StepPlan second = slice_of(3, {13, 14}, {5});
  second.open.push_back({.sequence = 2, .ids = {7}, .num_prompt_ids = 1});
  second.slices.push_back({.sequence = 2, .first_position = 0, .ids = {7}, .blocks_added = {0}});
  const model::Batch batch = table.apply(second);
  EXPECT_EQ(batch.ids, (std::vector<step::TokenId>{13, 14, 7}));
  ASSERT_EQ(batch.slices.size(), 2u);
  EXPECT_EQ(batch.slices[0].first_position, 3);
  EXPECT_EQ(batch.slices[1].first_row, 2);
  EXPECT_EQ((std::vector<step::BlockId>(batch.slices[0].block_table.begin(),
                                        batch.slices[0].block_table.end())),
            (std::vector<step::BlockId>{3, 5}));

  table.apply(slice_of(5, {42}));
  EXPECT_EQ(table.at(1).ids, (std::vector<step::TokenId>{10, 11, 12, 13, 14, 42}));
  EXPECT_EQ(table.at(1).num_output_through(5), 1);
}

TEST(SequenceTable, a_resumed_sequence_counts_its_output_as_output) {
  SequenceTable table(kBounds);
  StepPlan plan = opening({10, 11, 12, 13}, 2);
  plan.open[0].sampling.frequency_penalty = 1;
  plan.slices = slice_of(0, {10, 11, 12, 13}, {0}).slices;
  table.apply(plan);
  Sequence& sequence = table.at(1);
  sequence.count_through(2);
  EXPECT_TRUE(sequence.counts.counts().at(10).in_prompt);
  EXPECT_EQ(sequence.counts.counts().at(12).in_output, 1);
  EXPECT_FALSE(sequence.counts.counts().contains(13)) << "the row before it must not know it";
  sequence.count_through(3);
  EXPECT_EQ(sequence.counts.counts().at(13).in_output, 1);
}

TEST(SequenceTable, a_cached_prefix_is_not_computed_again) {
  SequenceTable table(kBounds);
  table.apply(opening({1, 2, 3, 4, 5, 6}, 6, {2}));
  EXPECT_EQ(table.at(1).num_computed, 4);
  EXPECT_EQ(refusal(table, slice_of(4, {5, 6}, {7})), "");
}

TEST(SequenceTable, a_wholly_cached_prompt_computes_its_last_row) {
  SequenceTable table(kBounds);
  table.apply(opening({1, 2, 3, 4}, 4, {2}));
  EXPECT_EQ(table.at(1).num_computed, 3);
}

TEST(SequenceTable, closed_sequences_are_forgotten_and_may_not_be_closed_twice) {
  SequenceTable table(kBounds);
  table.apply(opening({1}, 1));
  StepPlan plan;
  plan.close = {1};
  table.apply(plan);
  EXPECT_EQ(table.size(), 0u);
  EXPECT_NE(refusal(table, plan).find("not open"), std::string::npos);
}

TEST(SequenceTable, refuses_what_does_not_follow_from_the_plans_before) {
  const auto row_request = [](std::int32_t row, RowRequest::Kind kind, step::TokenId id) {
    StepPlan plan = slice_of(0, {1, 2}, {0});
    plan.slices[0].requests = {{.row = row, .kind = kind, .id = id}};
    return plan;
  };
  StepPlan copy;
  copy.copy = {{.from = 0, .to = 8}};
  StepPlan twice = slice_of(0, {1}, {0});
  twice.slices.push_back(twice.slices[0]);
  StepPlan stranger = slice_of(0, {1}, {0});
  stranger.slices[0].sequence = 9;
  const struct {
    const char* what;
    StepPlan plan;
    const char* says;
  } cases[] = {
      {"a gap", slice_of(1, {2}, {0}), "starts at position 1, 0 are computed"},
      {"no ids", slice_of(0, {}), "empty slice"},
      {"an id past V", slice_of(0, {100}, {0}), "outside the vocabulary"},
      {"another id than opened", slice_of(0, {1, 9}, {0}), "another id at position 1"},
      {"no block", slice_of(0, {1}), "blocks hold fewer"},
      {"a block past the pool", slice_of(0, {1}, {8}), "block 8 is outside"},
      {"a negative block", slice_of(0, {1}, {-1}), "outside the pool"},
      {"a row past the slice", row_request(2, RowRequest::Kind::kSample, 0), "row 2 of 2"},
      {"an id to ask for past V", row_request(0, RowRequest::Kind::kLogprobOf, 100),
       "asks for id 100"},
      {"a copy past the pool", copy, "outside the pool"},
      {"two slices of one sequence", twice, "two slices"},
      {"a sequence nobody opened", stranger, "not open"},
      {"an open sequence opened", opening({1}, 1), "open already"},
  };
  for (const auto& test : cases) {
    SequenceTable table(kBounds);
    table.apply(opening({1, 2, 3}, 3));
    EXPECT_NE(refusal(table, test.plan).find(test.says), std::string::npos) << test.what;
  }
}

TEST(SequenceTable, refuses_openings_out_of_bounds) {
  const struct {
    const char* what;
    StepPlan plan;
    const char* says;
  } cases[] = {
      {"no ids", opening({}, 0), "opens with 0 ids"},
      {"too many ids", opening(std::vector<step::TokenId>(25, 1), 25), "at most 24"},
      {"more prompt than ids", opening({1}, 2), "of which 2 are prompt"},
      {"an id past V", opening({100}, 1), "outside the vocabulary"},
      {"a block past the pool", opening({1}, 1, {8}), "outside the pool"},
  };
  for (const auto& test : cases) {
    SequenceTable table(kBounds);
    EXPECT_NE(refusal(table, test.plan).find(test.says), std::string::npos) << test.what;
  }
}

}  // namespace
}  // namespace tandem::stage
