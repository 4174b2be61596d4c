#include "tandem/model/pre_norm_layer.h"

#include <ATen/ATen.h>

#include "tandem/model/architecture.h"

namespace tandem::model {

at::Tensor PreNormLayer::forward(const at::Tensor& hidden, const LayerContext& context) const {
  const at::Tensor seen = hidden + attention.forward(context.ops.norm(hidden, attention_norm), context);
  return seen + mlp.forward(context.ops.norm(seen, mlp_norm), context.ops);
}

std::unique_ptr<PreNormLayer> load_pre_norm_layer(WeightLoader& load, std::int32_t l) {
  const checkpoint::ModelConfig& config = load.config();
  const std::string layer = layer_prefix(l), attention = layer + "self_attn.", mlp = layer + "mlp.";
  auto result = std::make_unique<PreNormLayer>();
  result->attention_norm = load.norm(layer + "input_layernorm", config.norm_eps);
  result->attention = attention_without_weights(config, l);
  result->attention.qkv = load.linear({attention + "q_proj", attention + "k_proj", attention + "v_proj"},
                                      bias_if(config.attention_bias));
  result->attention.output = load.linear({attention + "o_proj"}, bias_if(config.output_bias));
  result->mlp_norm = load.norm(layer + "post_attention_layernorm", config.norm_eps);
  result->mlp.gate_up = load.linear({mlp + "gate_proj", mlp + "up_proj"}, bias_if(config.mlp_bias));
  result->mlp.down = load.linear({mlp + "down_proj"}, bias_if(config.mlp_bias));
  result->mlp.activation = config.activation;
  return result;
}

}  // namespace tandem::model
