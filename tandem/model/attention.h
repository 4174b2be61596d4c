// Self-attention with grouped queries, rotary positions and paged keys and values; shared by every architecture.
#pragma once

#include <ATen/core/Tensor.h>

#include "tandem/model/layer.h"

namespace tandem::model {

/// Q, K, D as in the glossary of DESIGN: query heads, KV heads, head dimension.
struct Attention {
  Linear qkv;                     ///< [(Q + 2K) · D, H]: queries, keys, values
  Linear output;                  ///< [H, Q · D]
  Norm query_norm, key_norm;      ///< over D, before the rotation (Qwen3); weights undefined: none
  AttentionShape shape;
  std::int32_t num_kv_heads = 0;  ///< K
  std::int32_t head_dim = 0;      ///< D

  /// normed: f32 [T, H] → [T, H], to be added to the residual stream.
  at::Tensor forward(const at::Tensor& normed, const LayerContext& context) const;
};

}  // namespace tandem::model
