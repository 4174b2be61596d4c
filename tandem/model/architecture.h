// What an architecture's file gives to the stack: how one of its layers is loaded, and the names of the tensors around the
// layers. Adding an architecture is one such file and a line in architecture.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "tandem/checkpoint/model_config.h"
#include "tandem/model/attention.h"
#include "tandem/model/layer.h"
#include "tandem/model/weights.h"

namespace tandem::model {

struct ArchitectureParts {
  /// Loads layer l with all its tensors.
  std::unique_ptr<Layer> (*load_layer)(WeightLoader& load, std::int32_t l);
  const char* embedding = "model.embed_tokens.weight";
  const char* final_norm = "model.norm";
  Bias norm_bias = Bias::kNone;   ///< kPresent: the norms are LayerNorms
  const char* head = "lm_head";
  Bias head_bias = Bias::kNone;
};

const ArchitectureParts& parts_of(checkpoint::Architecture architecture);

ArchitectureParts llama_parts();    // llama.cc
ArchitectureParts mistral_parts();  // mistral.cc
ArchitectureParts qwen2_parts();    // qwen2.cc
ArchitectureParts qwen3_parts();    // qwen3.cc
ArchitectureParts phi_parts();      // phi.cc

/// "model.layers.7."
std::string layer_prefix(std::int32_t l);
/// Attention with its dimensions, and the window of layer l if it has one; its weights are the caller's to load.
Attention attention_without_weights(const checkpoint::ModelConfig& config, std::int32_t l);
Bias bias_if(bool present);

}  // namespace tandem::model
