// A batch as the layers need it: where every row stands in its sequence and in the paged cache. Made once a step.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "tandem/kernels/types.h"
#include "tandem/model/batch.h"

namespace tandem::model {

struct StepRows {
  std::vector<BatchSlice> slices;             ///< in row order
  std::vector<kernels::RowPlace> places;      ///< [T]; point into the slices' block tables
  at::Tensor positions;                       ///< i64 [T], on the host
  at::Tensor slots;                           ///< i64 [T], on the device: block · B + offset in the block
};

/// Checks the batch against the cache: rows in order without gaps, tables long enough, ids of blocks within the pool. Throws
/// Error{kInternal}: a batch is made by the stage, not by a client. The result is valid as long as the batch's block tables.
StepRows place_rows(const Batch& batch, std::int64_t num_rows, std::int32_t num_blocks, std::int32_t block_size,
                    const at::Device& device);

}  // namespace tandem::model
