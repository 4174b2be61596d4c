// What one step computes, in numbers alone: the rows of a step and which sequence and KV blocks they belong to.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tandem/step/step_plan.h"

namespace tandem::model {

/// One sequence's rows in a batch.
struct BatchSlice {
  std::int64_t first_row = 0, num_rows = 0;        ///< rows in the step's [T, H]
  std::int64_t first_position = 0;                 ///< of the first row
  std::span<const step::BlockId> block_table;      ///< covers first_position + num_rows tokens
};

/// What `forward` computes: T rows of S sequences.
struct Batch {
  std::vector<step::TokenId> ids;    ///< [T]; used by the rank with the embedding
  std::vector<BatchSlice> slices;    ///< in row order
};

}  // namespace tandem::model
