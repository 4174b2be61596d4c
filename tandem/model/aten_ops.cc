#include "tandem/model/aten_ops.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>

#include "tandem/base/error.h"

namespace tandem::model {
namespace {

/// Scores of one piece of a slice, in elements, where a device's attention writes them all out: 64 MiB of f32.
constexpr std::int64_t kMaxScores = std::int64_t{1} << 24;

/// f32 [rows, keys] to be added to scores: -inf where key j lies after row i, that is j - i > diagonal, or before its window.
at::Tensor causal_mask(std::int64_t num_rows, std::int64_t num_keys, std::int64_t diagonal, std::int32_t window,
                       const at::Device& device) {
  const auto all_hidden = [&] {
    return at::full({num_rows, num_keys}, -std::numeric_limits<float>::infinity(),
                    at::TensorOptions().dtype(at::kFloat).device(device));
  };
  at::Tensor mask = all_hidden().triu_(diagonal + 1);
  if (window > 0) mask.add_(all_hidden().tril_(diagonal - window));
  return mask;
}

}  // namespace

at::Tensor AtenOps::linear(const at::Tensor& x, const Linear& linear) const {
  return at::linear(x.to(linear.weight.scalar_type()), linear.weight, linear.bias).to(at::kFloat);
}

at::Tensor AtenOps::norm(const at::Tensor& x, const Norm& norm) const {
  if (norm.bias.defined()) return at::layer_norm(x, {x.size(-1)}, norm.weight, norm.bias, norm.eps);
  const at::Tensor mean_square = x.square().mean(-1, /*keepdim=*/true);
  return x * at::rsqrt(mean_square + norm.eps) * norm.weight;
}

void AtenOps::rope(const at::Tensor& heads, const Rotation& rotation) const {
  const std::int64_t half = rotation.cos.size(1);
  at::Tensor low = heads.narrow(-1, 0, half), high = heads.narrow(-1, half, half);
  const at::Tensor cos = rotation.cos.unsqueeze(1), sin = rotation.sin.unsqueeze(1);
  const at::Tensor rotated_low = low * cos - high * sin;
  high.copy_(high * cos + low * sin);
  low.copy_(rotated_low);
}

at::Tensor AtenOps::gated(const at::Tensor& gates_and_values, checkpoint::Activation activation) const {
  const std::int64_t width = gates_and_values.size(-1) / 2;
  return activate(gates_and_values.narrow(-1, 0, width), activation) * gates_and_values.narrow(-1, width, width);
}

at::Tensor AtenOps::activate(const at::Tensor& x, checkpoint::Activation activation) const {
  switch (activation) {
    case checkpoint::Activation::kSilu: return at::silu(x);
    case checkpoint::Activation::kGelu: return at::gelu(x);
    case checkpoint::Activation::kGeluTanh: return at::gelu(x, "tanh");
    case checkpoint::Activation::kRelu: return at::relu(x);
  }
  throw Error(Code::kInternal, "activation without an implementation");
}

at::Tensor AtenOps::embed(const at::Tensor& table, const at::Tensor& ids) const {
  return at::embedding(table, ids).to(at::kFloat);
}

void AtenOps::store(const at::Tensor& keys, const at::Tensor& values, const StepRows& rows, LayerKv& kv) const {
  kv.keys.flatten(0, 1).index_copy_(0, rows.slots, keys.to(kv.keys.scalar_type()));
  kv.values.flatten(0, 1).index_copy_(0, rows.slots, values.to(kv.values.scalar_type()));
}

at::Tensor AtenOps::attend(const at::Tensor& queries, const StepRows& rows, const LayerKv& kv,
                           const AttentionShape& shape) const {
  at::Tensor output = at::empty(queries.sizes(), queries.options());
  for (const BatchSlice& slice : rows.slices) {
    output.narrow(0, slice.first_row, slice.num_rows)
        .copy_(attend_slice(queries.narrow(0, slice.first_row, slice.num_rows), slice, kv, shape));
  }
  return output.flatten(1);
}

at::Tensor AtenOps::attend_slice(const at::Tensor& queries, const BatchSlice& slice, const LayerKv& kv,
                                 const AttentionShape& shape) {
  const std::int64_t block_size = kv.block_size();
  const std::int64_t num_kv_heads = kv.keys.size(2), head_dim = kv.keys.size(3);
  const std::int64_t group = shape.num_heads / num_kv_heads;
  const std::int64_t end = slice.first_position + slice.num_rows;
  const std::int64_t first_seen =
      shape.window > 0 ? std::max<std::int64_t>(0, slice.first_position - shape.window + 1) : 0;
  const std::int64_t first_block = first_seen / block_size, end_block = (end + block_size - 1) / block_size;
  const std::int64_t first_key = first_block * block_size, num_keys = end - first_key;

  const at::Tensor blocks = at::tensor(at::IntArrayRef(std::vector<std::int64_t>(
                                           slice.block_table.begin() + first_block,
                                           slice.block_table.begin() + end_block)),
                                       at::kLong)
                                .to(kv.keys.device());
  const auto gather = [&](const at::Tensor& cache) {  // [K, G, keys, D], the same for the whole group
    return cache.index_select(0, blocks).flatten(0, 1).narrow(0, 0, num_keys).to(at::kFloat).transpose(0, 1).unsqueeze(1)
        .expand({num_kv_heads, group, num_keys, head_dim});
  };
  const at::Tensor keys = gather(kv.keys), values = gather(kv.values);
  const at::Tensor grouped = queries.unflatten(1, {num_kv_heads, group}).permute({1, 2, 0, 3});  // [K, G, n, D]

  at::Tensor output = at::empty({slice.num_rows, num_kv_heads, group, head_dim}, queries.options());
  const std::int64_t rows_at_once =
      std::clamp<std::int64_t>(kMaxScores / (shape.num_heads * num_keys), 1, slice.num_rows);
  for (std::int64_t row = 0; row < slice.num_rows; row += rows_at_once) {
    const std::int64_t n = std::min(rows_at_once, slice.num_rows - row);
    const at::Tensor mask =
        causal_mask(n, num_keys, slice.first_position + row - first_key, shape.window, queries.device());
    const at::Tensor mixed = at::scaled_dot_product_attention(grouped.narrow(2, row, n), keys, values, mask,
                                                              /*dropout_p=*/0.0, /*is_causal=*/false, shape.scale);
    output.narrow(0, row, n).copy_(mixed.permute({2, 0, 1, 3}));
  }
  return output.flatten(1, 2);
}

}  // namespace tandem::model
