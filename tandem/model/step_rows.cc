#include "tandem/model/step_rows.h"

#include <ATen/ATen.h>

#include "tandem/base/error.h"
#include "tandem/base/strings.h"

namespace tandem::model {
namespace {

void check_slice(const BatchSlice& slice, std::int64_t next_row, std::int32_t num_blocks, std::int32_t block_size) {
  const std::int64_t end_position = slice.first_position + slice.num_rows;
  const auto covered = static_cast<std::int64_t>(slice.block_table.size()) * block_size;
  if (slice.first_row != next_row || slice.num_rows <= 0 || slice.first_position < 0 || end_position > covered) {
    throw Error(Code::kInternal,
                format("batch: slice of rows %lld+%lld at position %lld with %zu blocks of %d does not fit row %lld",
                       static_cast<long long>(slice.first_row), static_cast<long long>(slice.num_rows),
                       static_cast<long long>(slice.first_position), slice.block_table.size(), block_size,
                       static_cast<long long>(next_row)));
  }
  for (const step::BlockId block : slice.block_table) {
    if (block < 0 || block >= num_blocks) {
      throw Error(Code::kInternal, format("batch: KV block %d is not one of the %d", block, num_blocks));
    }
  }
}

}  // namespace

StepRows place_rows(const Batch& batch, std::int64_t num_rows, std::int32_t num_blocks, std::int32_t block_size,
                    const at::Device& device) {
  StepRows rows;
  rows.slices = batch.slices;
  rows.places.reserve(num_rows);
  rows.positions = at::empty({num_rows}, at::kLong);
  at::Tensor slots = at::empty({num_rows}, at::kLong);
  std::int64_t next_row = 0;
  for (const BatchSlice& slice : batch.slices) {
    check_slice(slice, next_row, num_blocks, block_size);
    next_row += slice.num_rows;
    if (next_row > num_rows) break;
    for (std::int64_t i = 0; i < slice.num_rows; ++i) {
      const std::int64_t row = slice.first_row + i, position = slice.first_position + i;
      rows.places.push_back({.row = row, .position = position, .block_table = slice.block_table.data()});
      rows.positions.data_ptr<std::int64_t>()[row] = position;
      slots.data_ptr<std::int64_t>()[row] =
          std::int64_t{slice.block_table[position / block_size]} * block_size + position % block_size;
    }
  }
  if (next_row != num_rows) {
    throw Error(Code::kInternal, format("batch: slices name %lld rows, the step has %lld",
                                        static_cast<long long>(next_row), static_cast<long long>(num_rows)));
  }
  rows.slots = slots.to(device);
  return rows;
}

}  // namespace tandem::model
