// Which tensors each architecture's layers need, and their shapes: the names of transformers' state dicts.
// Called by Checkpoint::slice.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tandem/checkpoint/checkpoint.h"

namespace tandem::checkpoint {

struct NeededTensor {
  std::string name;
  std::vector<std::int64_t> shape;
};

/// [V, H]; also the LM head's weight when tied.
NeededTensor needed_embedding(const ModelConfig& config);
/// Weights and biases of layer l.
std::vector<NeededTensor> needed_layer(const ModelConfig& config, std::int32_t layer);
/// Final norm and LM head; the embedding's tensor when tied.
std::vector<NeededTensor> needed_head(const ModelConfig& config);

}  // namespace tandem::checkpoint
