#include "tandem/model/kv_cache.h"

#include <ATen/ATen.h>

#include "tandem/base/error.h"
#include "tandem/base/strings.h"

namespace tandem::model {

std::uint64_t KvShape::block_bytes(std::int32_t block_size) const {
  return 2ull * num_layers * block_size * num_kv_heads * head_dim * c10::elementSize(dtype);
}

KvCache::KvCache(const KvShape& shape, std::int32_t num_blocks, std::int32_t block_size, const at::Device& device)
    : num_blocks_(num_blocks), block_size_(block_size) {
  const auto options = at::TensorOptions().dtype(shape.dtype).device(device);
  const std::vector<std::int64_t> sizes{num_blocks, block_size, shape.num_kv_heads, shape.head_dim};
  try {
    for (std::int32_t l = 0; l < shape.num_layers; ++l) {
      layers_.push_back({.keys = at::empty(sizes, options), .values = at::empty(sizes, options)});
    }
  } catch (const c10::Error&) {
    throw Error(Code::kDoesNotFit,
                format("KV cache: %d blocks of %d tokens take %s, which could not be reserved; ask for fewer", num_blocks,
                       block_size, format_bytes(shape.block_bytes(block_size) * num_blocks).c_str()));
  }
}

void KvCache::copy_blocks(const std::vector<step::BlockCopy>& copies) {
  for (const step::BlockCopy& copy : copies) {
    if (std::min(copy.from, copy.to) < 0 || std::max(copy.from, copy.to) >= num_blocks_) {
      throw Error(Code::kInternal, format("KV cache: cannot copy block %d to %d, the pool has %d", copy.from, copy.to,
                                          num_blocks_));
    }
    for (LayerKv& layer : layers_) {
      layer.keys.select(0, copy.to).copy_(layer.keys.select(0, copy.from));
      layer.values.select(0, copy.to).copy_(layer.values.select(0, copy.from));
    }
  }
}

}  // namespace tandem::model
