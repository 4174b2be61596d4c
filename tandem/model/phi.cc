// Phi-1, 1.5 and 2 (Li et al. 2023): one LayerNorm feeds attention and a plain MLP side by side; a part of each head is rotated;
// every projection has a bias, the head too.
#include <ATen/ATen.h>

#include "tandem/model/architecture.h"
#include "tandem/model/mlp.h"

namespace tandem::model {
namespace {

struct PhiLayer final : Layer {
  Norm norm;
  Attention attention;
  PlainMlp mlp;

  at::Tensor forward(const at::Tensor& hidden, const LayerContext& context) const override {
    const at::Tensor normed = context.ops.norm(hidden, norm);
    return attention.forward(normed, context) + mlp.forward(normed, context.ops) + hidden;
  }
  at::ScalarType dtype() const override { return attention.qkv.weight.scalar_type(); }
};

std::unique_ptr<Layer> load_phi_layer(WeightLoader& load, std::int32_t l) {
  const checkpoint::ModelConfig& config = load.config();
  const std::string layer = layer_prefix(l), attention = layer + "self_attn.";
  auto result = std::make_unique<PhiLayer>();
  result->norm = load.norm(layer + "input_layernorm", config.norm_eps, Bias::kPresent);
  result->attention = attention_without_weights(config, l);
  result->attention.qkv =
      load.linear({attention + "q_proj", attention + "k_proj", attention + "v_proj"}, Bias::kPresent);
  result->attention.output = load.linear({attention + "dense"}, Bias::kPresent);
  result->mlp.up = load.linear({layer + "mlp.fc1"}, Bias::kPresent);
  result->mlp.down = load.linear({layer + "mlp.fc2"}, Bias::kPresent);
  result->mlp.activation = config.activation;
  return result;
}

}  // namespace

ArchitectureParts phi_parts() {
  return {.load_layer = load_phi_layer,
          .final_norm = "model.final_layernorm",
          .norm_bias = Bias::kPresent,
          .head_bias = Bias::kPresent};
}

}  // namespace tandem::model
