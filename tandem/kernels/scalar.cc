#include "tandem/kernels/scalar.h"

#include <cmath>

#include "tandem/kernels/lanes.h"

namespace tandem::kernels::scalar {

void rms_norm(const RmsNorm& a, const ParallelFor& parallel_for) {
  parallel_for(a.num_rows, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t) {
      const float* x = a.x + t * a.width;
      float* y = a.y + t * a.width;
      const float mean_square = dot(x, x, a.width) / static_cast<float>(a.width);
      const float factor = 1.0f / std::sqrt(mean_square + a.eps);
      for (std::int64_t i = 0; i < a.width; ++i) y[i] = x[i] * factor * a.weight[i];
    }
  });
}

void layer_norm(const LayerNorm& a, const ParallelFor& parallel_for) {
  parallel_for(a.num_rows, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t) {
      const float* x = a.x + t * a.width;
      float* y = a.y + t * a.width;
      const float mean = sum(x, a.width) / static_cast<float>(a.width);
      const float variance = sum_of_squared_differences(x, mean, a.width) / static_cast<float>(a.width);
      const float factor = 1.0f / std::sqrt(variance + a.eps);
      for (std::int64_t i = 0; i < a.width; ++i) y[i] = (x[i] - mean) * factor * a.weight[i] + a.bias[i];
    }
  });
}

void rope(const HeadRows& heads, const float* cos, const float* sin, std::int32_t half_dim,
          const ParallelFor& parallel_for) {
  parallel_for(heads.num_rows, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t t = begin; t < end; ++t) {
      const float* c = cos + t * half_dim;
      const float* s = sin + t * half_dim;
      for (std::int32_t h = 0; h < heads.num_heads; ++h) {
        float* low = heads.data + t * heads.row_stride + std::int64_t{h} * heads.head_dim;
        float* high = low + half_dim;
        for (std::int32_t d = 0; d < half_dim; ++d) {
          const float x = low[d], y = high[d];
          low[d] = x * c[d] - y * s[d];
          high[d] = y * c[d] + x * s[d];
        }
      }
    }
  });
}

}  // namespace tandem::kernels::scalar
