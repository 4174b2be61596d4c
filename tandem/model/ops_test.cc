#include "tandem/model/ops.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tandem/base/error.h"

namespace tandem::model {
namespace {

constexpr std::int64_t kHeads = 6, kKvHeads = 2, kDim = 16, kBlockSize = 4;

class OpsNamed : public testing::TestWithParam<const char*> {
 protected:
  std::unique_ptr<Ops> ops_ = make_ops(GetParam(), at::kCPU);
};

INSTANTIATE_TEST_SUITE_P(Both, OpsNamed, testing::Values("auto", "aten"));

/// Three sequences, 40, 1 and 5 rows, after 3, 30 and 0 positions that are already in the cache.
struct AttentionCase {
  std::vector<step::BlockId> tables[3];
  Batch batch;
  LayerKv kv;
  at::Tensor queries, keys, values;

  explicit AttentionCase(at::ScalarType kv_type) {
    at::manual_seed(3);
    const std::int64_t rows[] = {40, 1, 5}, before[] = {3, 30, 0};
    step::BlockId next = 63;
    for (int s = 0; s < 3; ++s) {
      for (std::int64_t covered = 0; covered < before[s] + rows[s]; covered += kBlockSize) tables[s].push_back(next -= 2);
    }
    for (int s = 0; s < 3; ++s) {
      const std::int64_t first = s == 0 ? 0 : batch.slices.back().first_row + batch.slices.back().num_rows;
      batch.slices.push_back({.first_row = first, .num_rows = rows[s], .first_position = before[s],
                              .block_table = tables[s]});
    }
    kv = {.keys = at::randn({64, kBlockSize, kKvHeads, kDim}).to(kv_type),
          .values = at::randn({64, kBlockSize, kKvHeads, kDim}).to(kv_type)};
    queries = at::randn({46, kHeads, kDim});
    keys = at::randn({46, kKvHeads, kDim});
    values = at::randn({46, kKvHeads, kDim});
  }
  at::Tensor attend(const Ops& ops, std::int32_t window) {
    const StepRows rows = place_rows(batch, queries.size(0), 64, kBlockSize, at::kCPU);
    ops.store(keys, values, rows, kv);
    return ops.attend(queries, rows, kv, {.num_heads = kHeads, .scale = 0.25f, .window = window});
  }
};

TEST(Ops, agree_on_attention_over_every_kv_type_and_window) {
  for (const at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16}) {
    for (const std::int32_t window : {0, 1, 6, 1000}) {
      const at::Tensor own = AttentionCase(type).attend(*make_ops("auto", at::kCPU), window);
      const at::Tensor aten = AttentionCase(type).attend(*make_ops("aten", at::kCPU), window);
      EXPECT_LT((own - aten).abs().max().item<float>(), 2e-6) << type << " window " << window;
    }
  }
}

TEST_P(OpsNamed, attention_gives_a_sequence_the_same_bits_whatever_else_runs) {
  AttentionCase together(at::kBFloat16);
  const at::Tensor all = together.attend(*ops_, 9);
  for (int s = 0; s < 3; ++s) {
    AttentionCase alone(at::kBFloat16);
    const BatchSlice slice = alone.batch.slices[s];
    for (at::Tensor* rows : {&alone.queries, &alone.keys, &alone.values}) {
      *rows = rows->narrow(0, slice.first_row, slice.num_rows).clone();
    }
    alone.batch.slices = {slice};
    alone.batch.slices[0].first_row = 0;
    EXPECT_TRUE(alone.attend(*ops_, 9).equal(all.narrow(0, slice.first_row, slice.num_rows))) << s;
  }
}

TEST_P(OpsNamed, norms_follow_their_definitions) {
  at::manual_seed(1);
  const at::Tensor x = at::randn({5, 3, 37}, at::kDouble) * 4 + 1, weight = at::randn({37}, at::kDouble);
  const at::Tensor bias = at::randn({37}, at::kDouble);
  const at::Tensor rms = x / (x.square().mean(-1, true) + 1e-5).sqrt() * weight;
  const at::Tensor centered = x - x.mean(-1, true);
  const at::Tensor layer = centered / (centered.square().mean(-1, true) + 1e-5).sqrt() * weight + bias;
  const Norm norm{.weight = weight.to(at::kFloat), .eps = 1e-5};
  EXPECT_LT((ops_->norm(x.to(at::kFloat), norm) - rms).abs().max().item<double>(), 1e-5);
  const Norm with_bias{.weight = norm.weight, .bias = bias.to(at::kFloat), .eps = 1e-5};
  EXPECT_LT((ops_->norm(x.to(at::kFloat), with_bias) - layer).abs().max().item<double>(), 1e-5);
}

TEST_P(OpsNamed, rope_rotates_a_part_of_heads_that_lie_inside_wider_rows) {
  at::manual_seed(1);
  const at::Tensor wide = at::randn({3, 5, 8}), before = wide.clone(), angles = at::randn({3, 2});
  ops_->rope(wide.narrow(1, 1, 3), {.cos = angles.cos(), .sin = angles.sin()});
  EXPECT_TRUE(wide.narrow(1, 0, 1).equal(before.narrow(1, 0, 1)));
  EXPECT_TRUE(wide.narrow(1, 4, 1).equal(before.narrow(1, 4, 1)));
  EXPECT_TRUE(wide.narrow(2, 4, 4).equal(before.narrow(2, 4, 4)));
  const float c = std::cos(angles[2][1].item<float>()), s = std::sin(angles[2][1].item<float>());
  const float low = before[2][3][1].item<float>(), high = before[2][3][3].item<float>();
  EXPECT_NEAR(wide[2][3][1].item<float>(), low * c - high * s, 1e-6);
  EXPECT_NEAR(wide[2][3][3].item<float>(), high * c + low * s, 1e-6);
}

TEST_P(OpsNamed, linear_gives_f32_for_weights_of_any_type) {
  at::manual_seed(1);
  const at::Tensor x = at::randn({4, 32}), weight = at::randn({10, 32}), bias = at::randn({10});
  const at::Tensor expected = at::linear(x, weight, bias);
  for (const at::ScalarType type : {at::kFloat, at::kHalf, at::kBFloat16}) {
    const at::Tensor y = ops_->linear(x, {.weight = weight.to(type), .bias = bias.to(type)});
    EXPECT_EQ(y.scalar_type(), at::kFloat);
    EXPECT_LT((y - expected).abs().max().item<float>(), type == at::kBFloat16 ? 0.3 : 0.03);
  }
}

TEST_P(OpsNamed, gated_multiplies_the_activated_first_half_with_the_second) {
  const at::Tensor x = at::tensor({1.f, -2.f, 3.f, 4.f}).view({1, 4});
  const at::Tensor relu = ops_->gated(x, checkpoint::Activation::kRelu);
  EXPECT_TRUE(relu.equal(at::tensor({3.f, 0.f}).view({1, 2})));
}

TEST(MakeOps, refuses_a_name_it_does_not_know) { EXPECT_THROW(make_ops("fast", at::kCPU), Error); }

}  // namespace
}  // namespace tandem::model
