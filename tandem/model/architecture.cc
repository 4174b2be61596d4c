#include "tandem/model/architecture.h"

#include <cmath>

#include "tandem/base/error.h"

namespace tandem::model {

const ArchitectureParts& parts_of(checkpoint::Architecture architecture) {
  static const ArchitectureParts llama = llama_parts(), mistral = mistral_parts(), qwen2 = qwen2_parts(),
                                 qwen3 = qwen3_parts(), phi = phi_parts();
  switch (architecture) {
    case checkpoint::Architecture::kLlama: return llama;
    case checkpoint::Architecture::kMistral: return mistral;
    case checkpoint::Architecture::kQwen2: return qwen2;
    case checkpoint::Architecture::kQwen3: return qwen3;
    case checkpoint::Architecture::kPhi: return phi;
  }
  throw Error(Code::kUnsupported, "this build has no layers for the model's architecture");
}

std::string layer_prefix(std::int32_t l) { return "model.layers." + std::to_string(l) + "."; }

Bias bias_if(bool present) { return present ? Bias::kPresent : Bias::kNone; }

Attention attention_without_weights(const checkpoint::ModelConfig& config, std::int32_t l) {
  const bool is_sliding = config.layer_is_sliding.empty() || config.layer_is_sliding.at(l);
  Attention attention;
  attention.shape = {.num_heads = config.num_heads,
                     .scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(config.head_dim))),
                     .window = is_sliding ? config.sliding_window : 0};
  attention.num_kv_heads = config.num_kv_heads;
  attention.head_dim = config.head_dim;
  return attention;
}

}  // namespace tandem::model
