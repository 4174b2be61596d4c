#include "tandem/cluster/partition.h"

#include <gtest/gtest.h>

#include "tandem/base/error.h"

namespace tandem::cluster {
namespace {

constexpr std::uint64_t kMiB = 1u << 20;

PartitionRequest request(std::int32_t layers, std::vector<std::uint64_t> budgets_mib) {
  PartitionRequest r;
  r.sizes.layer_bytes.assign(layers, 100 * kMiB);
  r.sizes.embedding_bytes = 50 * kMiB;
  r.sizes.head_bytes = 50 * kMiB;
  for (std::size_t i = 0; i < budgets_mib.size(); ++i) {
    r.ranks.push_back({"m" + std::to_string(i), "id" + std::to_string(i), budgets_mib[i] * kMiB + kStageOverheadBytes, 10});
  }
  return r;
}

std::vector<int> layers_of(const std::vector<RankPlan>& plan) {
  std::vector<int> layers;
  for (const auto& part : plan) layers.push_back(part.share.end_layer - part.share.first_layer);
  return layers;
}

TEST(Partition, equal_machines_share_the_time_evenly) {
  EXPECT_EQ(layers_of(partition(request(16, {10000, 10000}))), (std::vector<int>{8, 8}));
}

TEST(Partition, a_heavy_head_gives_the_last_rank_fewer_layers) {
  auto r = request(16, {10000, 10000});
  r.sizes.head_bytes = 400 * kMiB;
  EXPECT_EQ(layers_of(partition(r)), (std::vector<int>{10, 6}));
}

TEST(Partition, layers_follow_budgets_when_memory_is_tight) {
  EXPECT_EQ(layers_of(partition(request(14, {900, 450, 250}))), (std::vector<int>{8, 4, 2}));
}

TEST(Partition, layers_follow_bandwidth_when_memory_is_ample) {
  auto r = request(12, {10000, 10000});
  r.sizes.head_bytes = 0;
  r.ranks[0].read_gb_s = 20;
  EXPECT_EQ(layers_of(partition(r)), (std::vector<int>{8, 4}));
}

TEST(Partition, first_and_last_rank_hold_embedding_and_head) {
  const auto plan = partition(request(4, {10000, 10000}));
  EXPECT_TRUE(plan[0].share.embedding && !plan[0].share.head);
  EXPECT_TRUE(plan[1].share.head && !plan[1].share.embedding);
}

TEST(Partition, stages_on_one_machine_count_together) {
  auto r = request(16, {1000, 1000});
  r.ranks[1].machine_id = r.ranks[0].machine_id;
  EXPECT_THROW(partition(r), Error);
}

TEST(Partition, what_does_not_fit_is_refused_with_the_numbers) {
  try {
    partition(request(16, {500, 500}));
    FAIL() << "1.7 GiB fitted into 1 GiB";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::kDoesNotFit);
    EXPECT_NE(std::string(e.what()).find("1.7 GiB of weights"), std::string::npos) << e.what();
  }
}

TEST(Partition, kv_counts_against_the_budget) {
  auto r = request(2, {300});
  EXPECT_NO_THROW(partition(r));
  r.sizes.kv_bytes_per_token_layer = 1 << 20;
  r.kv_tokens = 100;
  EXPECT_THROW(partition(r), Error);
}

TEST(Partition, a_split_by_hand_is_checked) {
  auto r = request(16, {10000, 10000});
  r.split = {12, 4};
  EXPECT_EQ(layers_of(partition(r)), (std::vector<int>{12, 4}));
  for (const std::vector<std::int32_t>& bad : {std::vector<std::int32_t>{12, 5}, {16, 0}, {16}, {-1, 17}}) {
    r.split = bad;
    EXPECT_THROW(partition(r), Error);
  }
}

TEST(Partition, more_ranks_than_layers_are_refused) { EXPECT_THROW(partition(request(1, {1000, 1000})), Error); }

}  // namespace
}  // namespace tandem::cluster
