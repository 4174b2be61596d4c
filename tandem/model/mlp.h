// The two kinds of feed-forward network: gated (Llama and its kin) and plain (phi).
#pragma once

#include <ATen/core/Tensor.h>

#include "tandem/model/ops.h"

namespace tandem::model {

/// down(activation(gate(x)) · up(x)).
struct GatedMlp {
  Linear gate_up;  ///< [2F, H]: gates, then values
  Linear down;     ///< [H, F]
  checkpoint::Activation activation = checkpoint::Activation::kSilu;
  at::Tensor forward(const at::Tensor& normed, const Ops& ops) const;
};

/// down(activation(up(x))).
struct PlainMlp {
  Linear up;    ///< [F, H]
  Linear down;  ///< [H, F]
  checkpoint::Activation activation = checkpoint::Activation::kGeluTanh;
  at::Tensor forward(const at::Tensor& normed, const Ops& ops) const;
};

}  // namespace tandem::model
