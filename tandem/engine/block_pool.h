// Which KV blocks are free. Ids only: the tensors are in the stages, all of which follow the same ids.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "tandem/step/step_plan.h"

namespace tandem::engine {

/// Hands out block ids, the lowest first, so that pools which are touched lazily stay small.
class BlockPool {
 public:
  explicit BlockPool(std::int32_t num_blocks);
  std::int32_t num_blocks() const { return num_blocks_; }
  std::int32_t num_free() const { return static_cast<std::int32_t>(free_.size()); }
  /// `count` blocks, or nullopt (and nothing taken) when fewer are free.
  std::optional<std::vector<step::BlockId>> allocate(std::int32_t count);
  /// Gives blocks back; each must have come from `allocate` and not been given back since.
  void release(const std::vector<step::BlockId>& blocks);

 private:
  std::int32_t num_blocks_;
  std::vector<step::BlockId> free_;  ///< a min-heap
};

}  // namespace tandem::engine
