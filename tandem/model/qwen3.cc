// Qwen3 (Yang et al. 2025): Llama's layer with an RMSNorm over each query and key head before the rotation.
#include "tandem/model/architecture.h"
#include "tandem/model/pre_norm_layer.h"

namespace tandem::model {

ArchitectureParts qwen3_parts() {
  return {.load_layer = [](WeightLoader& load, std::int32_t l) -> std::unique_ptr<Layer> {
    auto layer = load_pre_norm_layer(load, l);
    const std::string attention = layer_prefix(l) + "self_attn.";
    layer->attention.query_norm = load.norm(attention + "q_norm", load.config().norm_eps);
    layer->attention.key_norm = load.norm(attention + "k_norm", load.config().norm_eps);
    return layer;
  }};
}

}  // namespace tandem::model
