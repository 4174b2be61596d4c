#include "tandem/model/mlp.h"

#include <ATen/ATen.h>

namespace tandem::model {

at::Tensor GatedMlp::forward(const at::Tensor& normed, const Ops& ops) const {
  return ops.linear(ops.gated(ops.linear(normed, gate_up), activation), down);
}

at::Tensor PlainMlp::forward(const at::Tensor& normed, const Ops& ops) const {
  return ops.linear(ops.activate(ops.linear(normed, up), activation), down);
}

}  // namespace tandem::model
