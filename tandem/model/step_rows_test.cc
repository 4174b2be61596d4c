#include "tandem/model/step_rows.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tandem/base/error.h"

namespace tandem::model {
namespace {

const std::vector<step::BlockId> kFirst = {3, 1}, kSecond = {0};

Batch two_slices() {
  return {.slices = {{.first_row = 0, .num_rows = 3, .first_position = 2, .block_table = kFirst},
                     {.first_row = 3, .num_rows = 1, .first_position = 0, .block_table = kSecond}}};
}

TEST(PlaceRows, finds_every_row_in_its_sequence_and_in_the_cache) {
  const Batch batch = two_slices();
  const StepRows rows = place_rows(batch, 4, /*num_blocks=*/4, /*block_size=*/4, at::kCPU);
  EXPECT_TRUE(rows.positions.equal(at::tensor({2, 3, 4, 0}, at::kLong)));
  EXPECT_TRUE(rows.slots.equal(at::tensor({14, 15, 4, 0}, at::kLong)));
  ASSERT_EQ(rows.places.size(), 4u);
  EXPECT_EQ(rows.places[2].position, 4);
  EXPECT_EQ(rows.places[2].block_table, kFirst.data());
  EXPECT_EQ(rows.places[3].row, 3);
}

TEST(PlaceRows, refuses_batches_that_do_not_add_up) {
  const auto refuses = [](const Batch& batch, std::int64_t num_rows, std::int32_t num_blocks) {
    EXPECT_THROW(place_rows(batch, num_rows, num_blocks, 4, at::kCPU), Error);
  };
  refuses(two_slices(), 5, 4);  // a row without a slice
  refuses(two_slices(), 3, 4);  // a slice without rows
  refuses(two_slices(), 4, 3);  // block 3 of 3
  Batch gap = two_slices();
  gap.slices[1].first_row = 2;
  refuses(gap, 4, 4);
  Batch beyond = two_slices();
  beyond.slices[0].first_position = 6;  // positions 6, 7, 8 of eight places
  refuses(beyond, 4, 4);
  Batch empty = two_slices();
  empty.slices[1].num_rows = 0;
  refuses(empty, 3, 4);
}

}  // namespace
}  // namespace tandem::model
