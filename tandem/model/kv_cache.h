// Keys and values of a rank's layers, in blocks of B tokens that sequences name by their block tables.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "tandem/step/step_plan.h"

namespace tandem::model {

/// One layer's keys and values: each [num_blocks, B, K, D] in the KV dtype.
struct LayerKv {
  at::Tensor keys, values;
  std::int64_t block_size() const { return keys.size(1); }
};

struct KvShape {
  std::int32_t num_layers = 0, num_kv_heads = 0, head_dim = 0;
  at::ScalarType dtype = at::kFloat;
  /// Bytes of all layers' keys and values for B tokens.
  std::uint64_t block_bytes(std::int32_t block_size) const;
};

/// The block pool of one rank. Memory is reserved, not touched: a block costs nothing until a row is written to it.
class KvCache {
 public:
  KvCache() = default;
  /// Throws Error{kDoesNotFit} when the reservation fails.
  KvCache(const KvShape& shape, std::int32_t num_blocks, std::int32_t block_size, const at::Device& device);
  LayerKv& layer(std::size_t index) { return layers_[index]; }
  std::int32_t num_blocks() const { return num_blocks_; }
  std::int32_t block_size() const { return block_size_; }
  /// In the given order, on every layer. Throws Error{kInternal} on a block outside the pool.
  void copy_blocks(const std::vector<step::BlockCopy>& copies);

 private:
  std::vector<LayerKv> layers_;
  std::int32_t num_blocks_ = 0, block_size_ = 0;
};

}  // namespace tandem::model
