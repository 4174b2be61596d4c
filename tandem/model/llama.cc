// Llama 2, 3, 3.1 and 3.2 (Touvron et al. 2023; Grattafiori et al. 2024): the pre-norm layer as it stands; the versions differ in
// the scaling of positions and in whether the head is the embedding's matrix, which the config says.
#include "tandem/model/architecture.h"
#include "tandem/model/pre_norm_layer.h"

namespace tandem::model {

ArchitectureParts llama_parts() {
  return {.load_layer = [](WeightLoader& load, std::int32_t l) -> std::unique_ptr<Layer> {
    return load_pre_norm_layer(load, l);
  }};
}

}  // namespace tandem::model
