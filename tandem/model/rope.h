// Positions to rotation angles, with the scalings that checkpoints ask for. Values follow transformers' modeling_rope_utils
// operation by operation in f32, so that angles at positions of 10^5 agree with the model's training code.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "tandem/checkpoint/model_config.h"
#include "tandem/model/ops.h"
#include "tandem/model/step_rows.h"

namespace tandem::model {

class RotaryEmbedding {
 public:
  /// Throws Error{kUnsupported} when the rotated dimension is odd.
  explicit RotaryEmbedding(const checkpoint::ModelConfig& config);

  /// Angles of every row of a step, on the device. The dynamic and longrope scalings depend on a sequence's length, which is
  /// taken to be the last position of its slice + 1: what transformers does for a prompt in one piece and for each token.
  Rotation rotate(const StepRows& rows, const at::Device& device) const;

  /// Radians per position, f32 [R / 2], for a sequence of `length` tokens.
  at::Tensor frequencies(std::int64_t length) const;

 private:
  at::Tensor unscaled(double theta) const;
  at::Tensor llama3() const;
  at::Tensor yarn() const;
  bool depends_on_length() const;

  checkpoint::RopeConfig rope_;
  std::int64_t max_position_ = 0, original_max_position_ = 0, rotary_dim_ = 0;
  at::Tensor fixed_;  ///< frequencies that do not depend on the length; else undefined
};

}  // namespace tandem::model
