#include "tandem/engine/block_pool.h"

#include <algorithm>
#include <functional>
#include <numeric>

namespace tandem::engine {

BlockPool::BlockPool(std::int32_t num_blocks) : num_blocks_(num_blocks), free_(num_blocks) {
  std::iota(free_.begin(), free_.end(), 0);
}

std::optional<std::vector<step::BlockId>> BlockPool::allocate(std::int32_t count) {
  if (count > num_free()) return std::nullopt;
  std::vector<step::BlockId> blocks;
  for (std::int32_t i = 0; i < count; ++i) {
    std::pop_heap(free_.begin(), free_.end(), std::greater<>());
    blocks.push_back(free_.back());
    free_.pop_back();
  }
  return blocks;
}

void BlockPool::release(const std::vector<step::BlockId>& blocks) {
  for (const step::BlockId block : blocks) {
    free_.push_back(block);
    std::push_heap(free_.begin(), free_.end(), std::greater<>());
  }
}

}  // namespace tandem::engine
