// One rank's part of a model: weights and a batch in, hidden states or logits out. Called by `stage` once a step.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tandem/checkpoint/checkpoint.h"
#include "tandem/model/batch.h"
#include "tandem/step/step_plan.h"

namespace tandem::model {

struct ModelOptions {
  std::string dtype = "auto";    ///< auto (as stored), bf16, f16, f32
  std::string device = "cpu";    ///< cpu, mps, cuda
  std::string ops = "auto";      ///< auto (kernels on CPU), aten (libtorch alone, on any device)
  std::string kv_dtype = "auto"; ///< auto (the weights'), f32, bf16, f16
  int num_threads = 1;
};

/// Told between tensors while loading, from the loading thread.
using LoadProgress = std::function<void(std::uint64_t done_bytes, std::uint64_t total_bytes)>;

/// Weights of one share and the KV blocks of its layers. One thread.
class Model {
 public:
  virtual ~Model() = default;
  virtual const checkpoint::ModelConfig& config() const = 0;
  virtual const checkpoint::Share& share() const = 0;
  virtual std::uint64_t weight_bytes() const = 0;
  /// Bytes of KV that one block of B tokens takes on this rank.
  virtual std::uint64_t kv_block_bytes(std::int32_t block_size) const = 0;
  /// Makes the block pool (touched lazily) and forgets any before it.
  virtual void allocate_kv(std::int32_t num_blocks, std::int32_t block_size) = 0;
  virtual void copy_blocks(const std::vector<step::BlockCopy>& copies) = 0;
  /// Runs this rank's layers. `hidden`: f32 [T, H] on the device, from the rank before; undefined on the first rank, which
  /// embeds batch.ids. Returns f32 [T, H] on the device: the residual stream.
  virtual at::Tensor forward(const Batch& batch, const at::Tensor& hidden) = 0;
  /// Last rank: final norm of rows [R, H]; f32.
  virtual at::Tensor final_norm(const at::Tensor& rows) = 0;
  /// Last rank: f32 [R, V] of normed rows.
  virtual at::Tensor logits(const at::Tensor& normed) = 0;
};

/// Loads a share's tensors, one after the other (peak memory: the share plus one tensor). Throws Error.
std::unique_ptr<Model> load_model(const checkpoint::Checkpoint& checkpoint, const checkpoint::Share& share,
                                  const ModelOptions& options, const LoadProgress& progress);

}  // namespace tandem::model
