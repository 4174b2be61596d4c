// A checkpoint's tensors into the matrices that layers multiply with: fused, converted, on the device. Called by each
// architecture's file while a model loads.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tandem/checkpoint/checkpoint.h"
#include "tandem/model/model.h"
#include "tandem/model/ops.h"

namespace tandem::model {

/// Whether a projection has a bias beside its weight.
enum class Bias : bool { kNone, kPresent };

/// Copies tensors out of the mapped files, a few MiB at a time, and gives the pages back: while loading, a rank holds its own
/// weights and one such piece. Reading the mapping in place would save the copy but not the memory (its pages count as
/// resident), has no huge pages (a fifth of the read bandwidth of decode), and cannot fuse.
class WeightLoader {
 public:
  /// `dtype`: nullopt keeps each matrix as it is stored.
  WeightLoader(const checkpoint::Checkpoint& checkpoint, const checkpoint::Share& share,
               std::optional<at::ScalarType> dtype, const at::Device& device, LoadProgress progress);

  /// NAME.weight and NAME.bias of each name, stacked in rows: q, k and v, or gate and up, become one matrix.
  Linear linear(const std::vector<std::string>& names, Bias bias);
  /// NAME.weight and, for a LayerNorm, NAME.bias, as f32.
  Norm norm(const std::string& name, double eps, Bias bias = Bias::kNone);
  /// One tensor by its whole name.
  at::Tensor matrix(const std::string& name);

  const checkpoint::ModelConfig& config() const { return checkpoint_.config(); }
  /// Bytes of the tensors made so far, as they are held.
  std::uint64_t held_bytes() const { return held_bytes_; }

 private:
  at::Tensor stack(const std::vector<std::string>& names, std::optional<at::ScalarType> dtype);
  void copy_rows(const checkpoint::TensorInfo& tensor, at::Tensor rows);

  const checkpoint::Checkpoint& checkpoint_;
  std::optional<at::ScalarType> dtype_;
  at::Device device_;
  LoadProgress progress_;
  std::uint64_t held_bytes_ = 0, done_bytes_ = 0, total_bytes_ = 0;
};

}  // namespace tandem::model
