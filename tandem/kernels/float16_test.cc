#include "tandem/kernels/float16.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace tandem::kernels {
namespace {

/// The value of an f16 by its definition.
double f16_value(std::uint16_t bits) {
  const int exponent = bits >> 10 & 0x1f, mantissa = bits & 0x3ff;
  const double magnitude = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
  return bits & 0x8000 ? -magnitude : magnitude;
}

TEST(Float16, widens_every_finite_f16_exactly_and_rounds_it_back) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    if ((half & 0x7c00) == 0x7c00) continue;
    ASSERT_EQ(static_cast<double>(f16_to_f32(half)), f16_value(half)) << bits;
    ASSERT_EQ(f32_to_f16(f16_to_f32(half)), half) << bits;
  }
}

TEST(Float16, rounds_to_the_nearest_f16_and_ties_to_even) {
  for (std::uint32_t bits = 0; bits < 0x7bff; ++bits) {
    const auto low = static_cast<std::uint16_t>(bits);
    const float middle = (f16_to_f32(low) + f16_to_f32(static_cast<std::uint16_t>(low + 1))) / 2;
    const std::uint16_t even = low % 2 == 0 ? low : static_cast<std::uint16_t>(low + 1);
    ASSERT_EQ(f32_to_f16(middle), even) << bits;
    ASSERT_EQ(f32_to_f16(std::nextafter(middle, 0.0f)), low) << bits;
    ASSERT_EQ(f32_to_f16(std::nextafter(middle, 1e9f)), low + 1) << bits;
  }
}

TEST(Float16, overflows_to_infinity_and_keeps_nan) {
  EXPECT_EQ(f32_to_f16(65519.0f), 0x7bff);
  EXPECT_EQ(f32_to_f16(65520.0f), 0x7c00);
  EXPECT_EQ(f32_to_f16(-1e30f), 0xfc00);
  EXPECT_TRUE(std::isinf(f16_to_f32(0x7c00)));
  EXPECT_TRUE(std::isnan(f16_to_f32(f32_to_f16(std::numeric_limits<float>::quiet_NaN()))));
}

TEST(Bfloat16, rounds_to_nearest_even_and_widens_back) {
  for (std::uint32_t bits = 0; bits < 0x7f7f; ++bits) {
    const auto low = static_cast<std::uint16_t>(bits);
    ASSERT_EQ(f32_to_bf16(bf16_to_f32(low)), low);
    const float middle = std::bit_cast<float>(bits << 16 | 0x8000u);
    ASSERT_EQ(f32_to_bf16(middle), low % 2 == 0 ? low : low + 1) << bits;
    ASSERT_EQ(f32_to_bf16(std::nextafter(middle, 0.0f)), low) << bits;
  }
}

TEST(Bfloat16, keeps_infinity_and_nan) {
  EXPECT_EQ(f32_to_bf16(std::numeric_limits<float>::infinity()), 0x7f80);
  EXPECT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(std::bit_cast<float>(0x7f800001u)))));
}

}  // namespace
}  // namespace tandem::kernels
