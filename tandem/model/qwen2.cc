// Qwen2 and Qwen2.5 (Yang et al. 2024): Llama's layer with biases on queries, keys and values, and a window on the upper layers where
// the config asks for one.
#include "tandem/model/architecture.h"
#include "tandem/model/pre_norm_layer.h"

namespace tandem::model {

ArchitectureParts qwen2_parts() {
  return {.load_layer = [](WeightLoader& load, std::int32_t l) -> std::unique_ptr<Layer> {
    return load_pre_norm_layer(load, l);
  }};
}

}  // namespace tandem::model
