#include "tandem/model/attention.h"

#include <ATen/ATen.h>

namespace tandem::model {

at::Tensor Attention::forward(const at::Tensor& normed, const LayerContext& context) const {
  const Ops& ops = context.ops;
  const std::int64_t num_heads = shape.num_heads;
  const at::Tensor heads = ops.linear(normed, qkv).unflatten(1, {num_heads + 2 * num_kv_heads, head_dim});
  at::Tensor queries = heads.narrow(1, 0, num_heads);
  at::Tensor keys = heads.narrow(1, num_heads, num_kv_heads);
  const at::Tensor values = heads.narrow(1, num_heads + num_kv_heads, num_kv_heads);
  if (query_norm.weight.defined()) queries = ops.norm(queries, query_norm);
  if (key_norm.weight.defined()) keys = ops.norm(keys, key_norm);
  ops.rope(queries, context.rotation);
  ops.rope(keys, context.rotation);
  ops.store(keys, values, context.rows, context.kv);
  return ops.linear(ops.attend(queries, context.rows, context.kv, shape), output);
}

}  // namespace tandem::model
