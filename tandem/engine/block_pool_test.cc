#include "tandem/engine/block_pool.h"

#include <gtest/gtest.h>

namespace tandem::engine {
namespace {

TEST(BlockPool, gives_the_lowest_ids_first_and_takes_them_back) {
  BlockPool pool(4);
  EXPECT_EQ(pool.allocate(2), (std::vector<step::BlockId>{0, 1}));
  EXPECT_EQ(pool.allocate(1), (std::vector<step::BlockId>{2}));
  pool.release({0});
  EXPECT_EQ(pool.allocate(2), (std::vector<step::BlockId>{0, 3}));
}

TEST(BlockPool, takes_nothing_when_too_few_are_free) {
  BlockPool pool(2);
  EXPECT_FALSE(pool.allocate(3));
  EXPECT_EQ(pool.num_free(), 2);
}

}  // namespace
}  // namespace tandem::engine
