// The arithmetic of a layer in libtorch's functions alone: what MPS and CUDA run, and the CPU with --ops aten.
#pragma once

#include "tandem/model/ops.h"

namespace tandem::model {

class AtenOps : public Ops {
 public:
  at::Tensor linear(const at::Tensor& x, const Linear& linear) const override;
  at::Tensor norm(const at::Tensor& x, const Norm& norm) const override;
  void rope(const at::Tensor& heads, const Rotation& rotation) const override;
  at::Tensor gated(const at::Tensor& gates_and_values, checkpoint::Activation activation) const override;
  at::Tensor activate(const at::Tensor& x, checkpoint::Activation activation) const override;
  at::Tensor embed(const at::Tensor& table, const at::Tensor& ids) const override;
  void store(const at::Tensor& keys, const at::Tensor& values, const StepRows& rows, LayerKv& kv) const override;
  at::Tensor attend(const at::Tensor& queries, const StepRows& rows, const LayerKv& kv,
                    const AttentionShape& shape) const override;

 protected:
  /// The rows of one slice, [n, Q, D], over its keys and values gathered from the cache; returns [n, Q, D].
  static at::Tensor attend_slice(const at::Tensor& queries, const BatchSlice& slice, const LayerKv& kv,
                                 const AttentionShape& shape);
};

}  // namespace tandem::model
