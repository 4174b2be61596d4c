// Mistral (Jiang et al. 2023): Llama's layer, in which a row sees a window of positions; the config says how many.
#include "tandem/model/architecture.h"
#include "tandem/model/pre_norm_layer.h"

namespace tandem::model {

ArchitectureParts mistral_parts() {
  return {.load_layer = [](WeightLoader& load, std::int32_t l) -> std::unique_ptr<Layer> {
    return load_pre_norm_layer(load, l);
  }};
}

}  // namespace tandem::model
