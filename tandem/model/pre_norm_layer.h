// The layer that Llama brought and Mistral and Qwen kept: norm, attention, add; norm, gated MLP, add.
#pragma once

#include "tandem/model/attention.h"
#include "tandem/model/layer.h"
#include "tandem/model/mlp.h"
#include "tandem/model/weights.h"

namespace tandem::model {

struct PreNormLayer final : Layer {
  Norm attention_norm;
  Attention attention;
  Norm mlp_norm;
  GatedMlp mlp;

  at::Tensor forward(const at::Tensor& hidden, const LayerContext& context) const override;
  at::ScalarType dtype() const override { return attention.qkv.weight.scalar_type(); }
};

/// The tensors that Llama, Mistral and Qwen name alike.
std::unique_ptr<PreNormLayer> load_pre_norm_layer(WeightLoader& load, std::int32_t l);

}  // namespace tandem::model
