#include "tandem/model/kv_cache.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "tandem/base/error.h"

namespace tandem::model {
namespace {

constexpr KvShape kShape{.num_layers = 3, .num_kv_heads = 2, .head_dim = 5, .dtype = at::kBFloat16};

TEST(KvShape, counts_keys_and_values_of_all_layers) { EXPECT_EQ(kShape.block_bytes(16), 2u * 3 * 16 * 2 * 5 * 2); }

TEST(KvCache, copies_blocks_in_order_on_every_layer) {
  KvCache cache(kShape, /*num_blocks=*/4, /*block_size=*/8, at::kCPU);
  for (int l = 0; l < 3; ++l) {
    cache.layer(l).keys.copy_(at::arange(4).view({4, 1, 1, 1}) + 10 * l);
    cache.layer(l).values.copy_(at::arange(4).view({4, 1, 1, 1}) + 10 * l + 5);
  }
  cache.copy_blocks({{.from = 3, .to = 1}, {.from = 1, .to = 0}});
  for (int l = 0; l < 3; ++l) {
    const at::Tensor first_of_block = cache.layer(l).values.select(3, 4).select(2, 1).select(1, 7).to(at::kFloat);
    EXPECT_TRUE(first_of_block.equal(at::tensor({8.f, 8.f, 7.f, 8.f}) + 10 * l)) << first_of_block;
    EXPECT_EQ(cache.layer(l).keys.select(0, 0).min().item<float>(), 3.f + 10.f * static_cast<float>(l));
  }
}

TEST(KvCache, refuses_copies_outside_the_pool) {
  KvCache cache(kShape, 4, 8, at::kCPU);
  EXPECT_THROW(cache.copy_blocks({{.from = 0, .to = 4}}), Error);
  EXPECT_THROW(cache.copy_blocks({{.from = -1, .to = 0}}), Error);
}

TEST(KvCache, says_how_much_it_wanted_when_it_does_not_fit) {
  try {
    KvCache cache({.num_layers = 1, .num_kv_heads = 1 << 14, .head_dim = 1 << 14, .dtype = at::kFloat}, 1 << 24, 1 << 10,
                  at::kCPU);
    FAIL() << "reserved more than the address space";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kDoesNotFit);
    EXPECT_NE(std::string(error.what()).find("16777216 blocks of 1024 tokens"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace tandem::model
