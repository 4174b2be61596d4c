// Sums over a row in a fixed order: sixteen partial sums, then pairs of them. The order is part of the kernels' specification,
// and it lets a compiler use vector registers without reordering anything.
#pragma once

#include <array>
#include <cstdint>

namespace tandem::kernels {

inline constexpr std::int64_t kLanes = 16;

/// Adds term(i) for i in [0, count).
template <typename Term>
inline float sum_in_lanes(std::int64_t count, Term term) {
  std::array<float, kLanes> partial{};
  const std::int64_t whole = count - count % kLanes;
  for (std::int64_t i = 0; i < whole; i += kLanes) {
    for (std::int64_t lane = 0; lane < kLanes; ++lane) partial[lane] += term(i + lane);
  }
  for (std::int64_t i = whole; i < count; ++i) partial[i - whole] += term(i);
  for (std::int64_t width = kLanes / 2; width > 0; width /= 2) {
    for (std::int64_t lane = 0; lane < width; ++lane) partial[lane] += partial[lane + width];
  }
  return partial[0];
}

inline float sum(const float* x, std::int64_t count) {
  return sum_in_lanes(count, [x](std::int64_t i) { return x[i]; });
}

inline float dot(const float* x, const float* y, std::int64_t count) {
  return sum_in_lanes(count, [x, y](std::int64_t i) { return x[i] * y[i]; });
}

inline float sum_of_squared_differences(const float* x, float from, std::int64_t count) {
  return sum_in_lanes(count, [x, from](std::int64_t i) { return (x[i] - from) * (x[i] - from); });
}

}  // namespace tandem::kernels
