// The words that every kernel shares: element types, how work is spread over threads, and where keys and values lie. Used by
// `model` to call kernels and by each instruction set's file to implement them.
#pragma once

#include <cstdint>
#include <functional>

namespace tandem::kernels {

enum class ElementType : std::uint8_t { kF32, kF16, kBF16 };

/// Runs body(begin, end) over a partition of [0, count) on any number of threads and returns when all of it is done. A kernel's
/// result never depends on the partition.
using ParallelFor =
    std::function<void(std::int64_t count, const std::function<void(std::int64_t, std::int64_t)>& body)>;

/// Rows of heads inside wider rows: element (t, h, d) lies at data[t * row_stride + h * D + d].
struct HeadRows {
  float* data = nullptr;
  std::int64_t num_rows = 0;    ///< T
  std::int64_t row_stride = 0;  ///< elements
  std::int32_t num_heads = 0;
  std::int32_t head_dim = 0;    ///< D
};

/// Keys and values of one layer, each [num_blocks, B, K, D].
struct PagedKv {
  void* keys = nullptr;
  void* values = nullptr;
  ElementType type = ElementType::kF32;
  std::int32_t block_size = 0;    ///< B
  std::int32_t num_kv_heads = 0;  ///< K
  std::int32_t head_dim = 0;      ///< D
};

/// Where one row stands in its sequence.
struct RowPlace {
  std::int64_t row = 0;                      ///< index into the step's rows
  std::int64_t position = 0;                 ///< 0-based, in its sequence
  const std::int32_t* block_table = nullptr; ///< block ids that cover positions 0 … position
};

}  // namespace tandem::kernels
