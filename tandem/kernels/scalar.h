// The kernels in plain portable C++: the specification that the other instruction sets are held to, and what runs where they
// do not. No allocation beyond a scratch row a thread; every output element is computed alike whatever else is in the batch.
#pragma once

#include <cstdint>
#include <span>

#include "tandem/kernels/types.h"

namespace tandem::kernels::scalar {

/// y = x / sqrt(mean(x²) + eps) · weight for each of T rows. x, y: f32 [T, H], may be the same; weight: f32 [H].
struct RmsNorm {
  const float* x = nullptr;
  const float* weight = nullptr;
  float* y = nullptr;
  std::int64_t num_rows = 0, width = 0;
  float eps = 0;
};
void rms_norm(const RmsNorm& arguments, const ParallelFor& parallel_for);

/// y = (x - mean(x)) / sqrt(var(x) + eps) · weight + bias, the variance being the biased one. Shapes as rms_norm.
struct LayerNorm {
  const float* x = nullptr;
  const float* weight = nullptr;
  const float* bias = nullptr;
  float* y = nullptr;
  std::int64_t num_rows = 0, width = 0;
  float eps = 0;
};
void layer_norm(const LayerNorm& arguments, const ParallelFor& parallel_for);

/// Rotates the first 2 · half_dim elements of every head in place, element d with element d + half_dim (RoFormer, in the
/// "rotate half" layout of Hugging Face checkpoints). cos, sin: f32 [T, half_dim].
void rope(const HeadRows& heads, const float* cos, const float* sin, std::int32_t half_dim,
          const ParallelFor& parallel_for);

/// Writes the keys and values of the rows into their blocks, rounding to kv.type (to nearest, ties to even).
void store_kv(const HeadRows& keys, const HeadRows& values, std::span<const RowPlace> rows, const PagedKv& kv,
              const ParallelFor& parallel_for);

/// Attention of single rows over paged keys and values, all of it in f32: row t of head h sees positions
/// max(0, p - window + 1) … p of its sequence, p being its own. Query head h reads KV head h / (Q / K).
struct PagedAttention {
  HeadRows queries;               ///< [T, Q, D]
  float* output = nullptr;        ///< f32 [T, Q, D], dense; only the rows named below are written
  std::span<const RowPlace> rows;
  PagedKv kv;
  std::int32_t window = 0;        ///< tokens seen back, the row itself included; 0: all
  float scale = 1;                ///< of the scores, 1 / sqrt(D)
};
void paged_attention(const PagedAttention& arguments, const ParallelFor& parallel_for);

}  // namespace tandem::kernels::scalar
