// Attention over paged keys and values, and how they get there.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "tandem/kernels/float16.h"
#include "tandem/kernels/lanes.h"
#include "tandem/kernels/scalar.h"

namespace tandem::kernels::scalar {
namespace {

void round_to(ElementType type, const float* from, void* to, std::int64_t count) {
  auto* halves = static_cast<std::uint16_t*>(to);
  switch (type) {
    case ElementType::kF32: std::memcpy(to, from, count * sizeof(float)); return;
    case ElementType::kF16:
      for (std::int64_t i = 0; i < count; ++i) halves[i] = f32_to_f16(from[i]);
      return;
    case ElementType::kBF16:
      for (std::int64_t i = 0; i < count; ++i) halves[i] = f32_to_bf16(from[i]);
      return;
  }
}

/// The elements as f32: where they lie if they are, else converted into `scratch`.
const float* widen(ElementType type, const void* from, float* scratch, std::int64_t count) {
  const auto* halves = static_cast<const std::uint16_t*>(from);
  switch (type) {
    case ElementType::kF32: return static_cast<const float*>(from);
    case ElementType::kF16:
      for (std::int64_t i = 0; i < count; ++i) scratch[i] = f16_to_f32(halves[i]);
      return scratch;
    case ElementType::kBF16:
      for (std::int64_t i = 0; i < count; ++i) scratch[i] = bf16_to_f32(halves[i]);
      return scratch;
  }
  return scratch;
}

std::int64_t element_bytes(ElementType type) { return type == ElementType::kF32 ? 4 : 2; }

/// Bytes from the start of a layer's keys (or values) to head h of a position.
std::int64_t kv_offset(const PagedKv& kv, const std::int32_t* block_table, std::int64_t position, std::int32_t head) {
  const std::int64_t block = block_table[position / kv.block_size];
  const std::int64_t slot = block * kv.block_size + position % kv.block_size;
  return (slot * kv.num_kv_heads + head) * kv.head_dim * element_bytes(kv.type);
}

/// What one thread needs for one row and KV head; grows to the longest context seen.
struct Scratch {
  std::vector<float> scores;    // [G, context]
  std::vector<float> widened;   // [D]
};

/// The G query heads of one row that share KV head `kv_head`.
void attend_group(const PagedAttention& a, const RowPlace& place, std::int32_t kv_head, Scratch& scratch) {
  const std::int64_t head_dim = a.kv.head_dim;
  const std::int64_t group = a.queries.num_heads / a.kv.num_kv_heads;
  const std::int64_t first = a.window > 0 ? std::max<std::int64_t>(0, place.position - a.window + 1) : 0;
  const std::int64_t context = place.position + 1 - first;
  scratch.scores.resize(std::max<std::size_t>(scratch.scores.size(), group * context));
  scratch.widened.resize(head_dim);
  const auto* keys = static_cast<const std::uint8_t*>(a.kv.keys);
  const auto* values = static_cast<const std::uint8_t*>(a.kv.values);
  const float* query = a.queries.data + place.row * a.queries.row_stride + kv_head * group * head_dim;
  float* output = a.output + (place.row * a.queries.num_heads + kv_head * group) * head_dim;

  for (std::int64_t i = 0; i < context; ++i) {
    const std::int64_t offset = kv_offset(a.kv, place.block_table, first + i, kv_head);
    const float* key = widen(a.kv.type, keys + offset, scratch.widened.data(), head_dim);
    for (std::int64_t g = 0; g < group; ++g) {
      scratch.scores[g * context + i] = dot(query + g * head_dim, key, head_dim) * a.scale;
    }
  }
  for (std::int64_t g = 0; g < group; ++g) {
    float* scores = scratch.scores.data() + g * context;
    const float largest = *std::max_element(scores, scores + context);
    double total = 0;
    for (std::int64_t i = 0; i < context; ++i) total += scores[i] = std::exp(scores[i] - largest);
    const auto factor = static_cast<float>(1.0 / total);
    for (std::int64_t i = 0; i < context; ++i) scores[i] *= factor;
  }
  std::fill_n(output, group * head_dim, 0.0f);
  for (std::int64_t i = 0; i < context; ++i) {
    const std::int64_t offset = kv_offset(a.kv, place.block_table, first + i, kv_head);
    const float* value = widen(a.kv.type, values + offset, scratch.widened.data(), head_dim);
    for (std::int64_t g = 0; g < group; ++g) {
      const float weight = scratch.scores[g * context + i];
      float* out = output + g * head_dim;
      for (std::int64_t d = 0; d < head_dim; ++d) out[d] += weight * value[d];
    }
  }
}

}  // namespace

void store_kv(const HeadRows& keys, const HeadRows& values, std::span<const RowPlace> rows, const PagedKv& kv,
              const ParallelFor& parallel_for) {
  const std::int64_t width = std::int64_t{kv.num_kv_heads} * kv.head_dim;
  parallel_for(static_cast<std::int64_t>(rows.size()), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const RowPlace& place = rows[i];
      const std::int64_t offset = kv_offset(kv, place.block_table, place.position, 0);
      round_to(kv.type, keys.data + place.row * keys.row_stride, static_cast<std::uint8_t*>(kv.keys) + offset, width);
      round_to(kv.type, values.data + place.row * values.row_stride, static_cast<std::uint8_t*>(kv.values) + offset,
               width);
    }
  });
}

void paged_attention(const PagedAttention& a, const ParallelFor& parallel_for) {
  const std::int64_t units = static_cast<std::int64_t>(a.rows.size()) * a.kv.num_kv_heads;
  parallel_for(units, [&](std::int64_t begin, std::int64_t end) {
    Scratch scratch;
    for (std::int64_t unit = begin; unit < end; ++unit) {
      attend_group(a, a.rows[unit / a.kv.num_kv_heads], static_cast<std::int32_t>(unit % a.kv.num_kv_heads), scratch);
    }
  });
}

}  // namespace tandem::kernels::scalar
