// One layer of the stack, as each architecture's file writes it, and what all layers of a step share.
#pragma once

#include <ATen/core/Tensor.h>

#include "tandem/model/kv_cache.h"
#include "tandem/model/ops.h"
#include "tandem/model/step_rows.h"

namespace tandem::model {

/// Everything a layer needs beside its weights and its input; lives for one layer of one step.
struct LayerContext {
  const Ops& ops;
  const StepRows& rows;
  const Rotation& rotation;
  LayerKv& kv;
};

/// Weights of one transformer layer, and the formula that uses them.
class Layer {
 public:
  virtual ~Layer() = default;
  /// The residual stream before and after: f32 [T, H]. Writes the rows' keys and values.
  virtual at::Tensor forward(const at::Tensor& hidden, const LayerContext& context) const = 0;
  /// Of the weights of its matrices; KV has the same unless told otherwise.
  virtual at::ScalarType dtype() const = 0;
};

}  // namespace tandem::model
