#include "tandem/kernels/scalar.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <span>
#include <vector>

#include "tandem/kernels/float16.h"

namespace tandem::kernels::scalar {
namespace {

void in_one_piece(std::int64_t count, const std::function<void(std::int64_t, std::int64_t)>& body) { body(0, count); }

/// One item at a time, last first: no result may depend on how the work is cut.
void one_by_one_backwards(std::int64_t count, const std::function<void(std::int64_t, std::int64_t)>& body) {
  for (std::int64_t i = count; i-- > 0;) body(i, i + 1);
}

std::vector<float> random_floats(std::size_t count, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = normal(engine);
  return values;
}

TEST(RmsNorm, equals_the_formula_in_f64_at_any_width) {
  for (const std::int64_t width : {1, 15, 16, 17, 100, 4096}) {
    const auto x = random_floats(3 * width, 1), weight = random_floats(width, 2);
    std::vector<float> y(x.size());
    rms_norm({.x = x.data(), .weight = weight.data(), .y = y.data(), .num_rows = 3, .width = width, .eps = 1e-5f},
             in_one_piece);
    for (std::int64_t t = 0; t < 3; ++t) {
      double squares = 0;
      for (std::int64_t i = 0; i < width; ++i) squares += static_cast<double>(x[t * width + i]) * x[t * width + i];
      const double factor = 1 / std::sqrt(squares / static_cast<double>(width) + 1e-5);
      for (std::int64_t i = 0; i < width; ++i) {
        ASSERT_NEAR(y[t * width + i], x[t * width + i] * factor * weight[i], 1e-5) << width;
      }
    }
  }
}

TEST(LayerNorm, equals_the_formula_in_f64_also_far_from_zero) {
  constexpr std::int64_t kWidth = 200;
  auto x = random_floats(kWidth, 1);
  for (float& value : x) value += 1000;
  const auto weight = random_floats(kWidth, 2), bias = random_floats(kWidth, 3);
  std::vector<float> y(kWidth);
  layer_norm({.x = x.data(), .weight = weight.data(), .bias = bias.data(), .y = y.data(), .num_rows = 1,
              .width = kWidth, .eps = 1e-5f},
             in_one_piece);
  double mean = 0, variance = 0;
  for (const float value : x) mean += value / kWidth;
  for (const float value : x) variance += (value - mean) * (value - mean) / kWidth;
  for (std::int64_t i = 0; i < kWidth; ++i) {
    EXPECT_NEAR(y[i], (x[i] - mean) / std::sqrt(variance + 1e-5) * weight[i] + bias[i], 2e-4);
  }
}

TEST(Rope, turns_pairs_that_are_half_a_rotation_apart_and_leaves_the_rest) {
  std::vector<float> head = {1, 2, 3, 4, 5};  // four rotated, one passed through
  const std::vector<float> cos = {0, 0.6f}, sin = {1, 0.8f};
  rope({.data = head.data(), .num_rows = 1, .row_stride = 5, .num_heads = 1, .head_dim = 5}, cos.data(), sin.data(), 2,
       in_one_piece);
  const std::vector<float> expected = {-3, 2 * 0.6f - 4 * 0.8f, 1, 4 * 0.6f + 2 * 0.8f, 5};
  for (std::size_t i = 0; i < head.size(); ++i) EXPECT_FLOAT_EQ(head[i], expected[i]);
}

/// A cache with two sequences in blocks that are neither in order nor adjacent, and queries for all their positions.
struct PagedCase {
  static constexpr std::int32_t kBlockSize = 4, kBlocks = 9, kHeads = 6, kKvHeads = 2, kDim = 10;
  static constexpr std::int64_t kRows = 11 + 7, kKvWidth = kKvHeads * kDim;
  std::vector<std::int32_t> tables[2] = {{7, 2, 5}, {0, 8}};
  std::vector<RowPlace> places;
  std::vector<float> queries = random_floats(kRows * kHeads * kDim, 1);
  std::vector<float> keys = random_floats(kRows * kKvWidth, 2), values = random_floats(kRows * kKvWidth, 3);
  std::vector<float> cache_keys = std::vector<float>(kBlocks * kBlockSize * kKvWidth, NAN);
  std::vector<float> cache_values = cache_keys;
  PagedKv kv{.type = ElementType::kF32, .block_size = kBlockSize, .num_kv_heads = kKvHeads, .head_dim = kDim};

  explicit PagedCase(ElementType type) {
    kv.type = type;
    kv.keys = cache_keys.data();
    kv.values = cache_values.data();
    for (std::int64_t row = 0; row < kRows; ++row) {
      const bool second = row >= 11;
      places.push_back({.row = row, .position = second ? row - 11 : row, .block_table = tables[second].data()});
    }
    store_kv(heads(keys, kKvHeads), heads(values, kKvHeads), places, kv, in_one_piece);
  }
  static HeadRows heads(std::vector<float>& rows, std::int32_t num_heads) {
    return {.data = rows.data(), .num_rows = kRows, .row_stride = num_heads * kDim, .num_heads = num_heads,
            .head_dim = kDim};
  }
  std::vector<float> attend(std::span<const RowPlace> rows, std::int32_t window, const ParallelFor& parallel_for) {
    std::vector<float> output(queries.size(), NAN);
    paged_attention({.queries = heads(queries, kHeads), .output = output.data(), .rows = rows, .kv = kv,
                     .window = window, .scale = 0.3f},
                    parallel_for);
    return output;
  }
  /// The definition, in f64, over keys and values as they were before rounding.
  double expected(std::int64_t row, std::int32_t head, std::int32_t d, std::int32_t window) const {
    const std::int64_t first_row = row >= 11 ? 11 : 0;
    const std::int64_t kv_offset = head / (kHeads / kKvHeads) * kDim;
    double total = 0, mixed = 0;
    for (std::int64_t other = first_row; other <= row; ++other) {
      if (window > 0 && row - other >= window) continue;
      double score = 0;
      for (std::int32_t i = 0; i < kDim; ++i) {
        score += static_cast<double>(queries[(row * kHeads + head) * kDim + i]) * keys[other * kKvWidth + kv_offset + i];
      }
      const double weight = std::exp(score * 0.3);
      total += weight;
      mixed += weight * values[other * kKvWidth + kv_offset + d];
    }
    return mixed / total;
  }
};

class PagedAttentionOf : public testing::TestWithParam<ElementType> {};

TEST_P(PagedAttentionOf, equals_the_definition_with_and_without_a_window) {
  PagedCase paged(GetParam());
  const double tolerance = GetParam() == ElementType::kF32 ? 1e-5 : GetParam() == ElementType::kF16 ? 3e-3 : 3e-2;
  for (const std::int32_t window : {0, 1, 3, 100}) {
    const auto output = paged.attend(paged.places, window, in_one_piece);
    for (std::int64_t row = 0; row < PagedCase::kRows; ++row) {
      for (std::int32_t h = 0; h < PagedCase::kHeads; ++h) {
        for (std::int32_t d = 0; d < PagedCase::kDim; ++d) {
          ASSERT_NEAR(output[(row * PagedCase::kHeads + h) * PagedCase::kDim + d], paged.expected(row, h, d, window),
                      tolerance)
              << "window " << window << " row " << row;
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, PagedAttentionOf,
                         testing::Values(ElementType::kF32, ElementType::kF16, ElementType::kBF16));

TEST(PagedAttention, gives_a_row_the_same_bits_whatever_else_runs_and_however_work_is_cut) {
  PagedCase paged(ElementType::kBF16);
  const auto all = paged.attend(paged.places, 0, in_one_piece);
  const auto cut = paged.attend(paged.places, 0, one_by_one_backwards);
  EXPECT_EQ(std::memcmp(all.data(), cut.data(), all.size() * sizeof(float)), 0);
  for (const std::int64_t row : {0, 6, 17}) {
    const auto alone = paged.attend(std::span(paged.places).subspan(row, 1), 0, in_one_piece);
    const std::int64_t width = PagedCase::kHeads * PagedCase::kDim;
    EXPECT_EQ(std::memcmp(alone.data() + row * width, all.data() + row * width, width * sizeof(float)), 0);
  }
}

TEST(PagedAttention, survives_scores_far_beyond_the_range_of_f16) {
  PagedCase paged(ElementType::kF32);
  for (float& query : paged.queries) query *= 1e6f;
  const auto output = paged.attend(paged.places, 0, in_one_piece);
  for (const float value : output) ASSERT_TRUE(std::isfinite(value));
}

}  // namespace
}  // namespace tandem::kernels::scalar
