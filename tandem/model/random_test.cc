#include "tandem/model/random.h"

#include <gtest/gtest.h>

#include <set>

namespace tandem::model {
namespace {

// The known answers that the authors publish with Random123 (kat_vectors, philox4x32 10).
TEST(Philox, gives_the_published_answers) {
  using Words = std::array<std::uint32_t, 4>;
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Uniform, differs_in_every_part_of_its_key) {
  std::set<double> seen;
  seen.insert(uniform({}));
  for (int bit = 0; bit < 64; ++bit) seen.insert(uniform({.seed = std::uint64_t{1} << bit}));
  for (int bit = 0; bit < 31; ++bit) seen.insert(uniform({.choice = 1 << bit}));
  for (int bit = 0; bit < 63; ++bit) seen.insert(uniform({.position = std::int64_t{1} << bit}));
  for (int bit = 0; bit < 32; ++bit) seen.insert(uniform({.draw = 1u << bit}));
  EXPECT_EQ(seen.size(), 1u + 64 + 31 + 63 + 32);
}

TEST(Uniform, fills_the_unit_interval_evenly) {
  constexpr int kDraws = 100'000, kBins = 100;
  std::array<int, kBins> bins{};
  for (int i = 0; i < kDraws; ++i) {
    const double value = uniform({.seed = 42, .position = i});
    ASSERT_GE(value, 0);
    ASSERT_LT(value, 1);
    ++bins[static_cast<std::size_t>(value * kBins)];
  }
  double chi_square = 0;
  for (const int count : bins) chi_square += (count - 1000.0) * (count - 1000.0) / 1000.0;
  EXPECT_LT(chi_square, 149.4);  // 99 degrees of freedom, p = 0.999 57
}

}  // namespace
}  // namespace tandem::model
