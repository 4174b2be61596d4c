#include "tandem/model/rope.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "tandem/base/error.h"
#include "tandem/base/strings.h"

namespace tandem::model {
namespace {

using checkpoint::RopeConfig;

/// The dimension at which a head turns `rotations` times over `length` positions (YaRN, §3.2).
double correction_dimension(double rotations, double dim, double theta, double length) {
  return dim * std::log(length / (rotations * 2 * std::numbers::pi)) / (2 * std::log(theta));
}

}  // namespace

RotaryEmbedding::RotaryEmbedding(const checkpoint::ModelConfig& config)
    : rope_(config.rope),
      max_position_(config.max_position),
      original_max_position_(rope_.original_max_position),
      rotary_dim_(rope_.rotary_dim) {
  if (rotary_dim_ % 2 != 0) {
    throw Error(Code::kUnsupported, format("model: %lld rotated dimensions a head; the number must be even",
                                           static_cast<long long>(rotary_dim_)));
  }
  if (!depends_on_length()) fixed_ = frequencies(/*length=*/1);
}

bool RotaryEmbedding::depends_on_length() const {
  return rope_.type == RopeConfig::Type::kDynamic || rope_.type == RopeConfig::Type::kLongRope;
}

Rotation RotaryEmbedding::rotate(const StepRows& rows, const at::Device& device) const {
  const at::Tensor positions = rows.positions.to(at::kFloat).unsqueeze(1);
  at::Tensor angles;
  if (fixed_.defined()) {
    angles = positions * fixed_;
  } else {
    angles = at::empty({positions.size(0), rotary_dim_ / 2});
    for (const BatchSlice& slice : rows.slices) {
      at::Tensor part = angles.narrow(0, slice.first_row, slice.num_rows);
      at::mul_out(part, positions.narrow(0, slice.first_row, slice.num_rows),
                  frequencies(slice.first_position + slice.num_rows));
    }
  }
  return {.cos = (angles.cos() * rope_.attention_factor).to(device),
          .sin = (angles.sin() * rope_.attention_factor).to(device)};
}

at::Tensor RotaryEmbedding::frequencies(std::int64_t length) const {
  if (fixed_.defined()) return fixed_;
  const double dim = static_cast<double>(rotary_dim_);
  switch (rope_.type) {
    case RopeConfig::Type::kDefault: return unscaled(rope_.theta);
    case RopeConfig::Type::kLinear: return unscaled(rope_.theta) / rope_.factor;
    case RopeConfig::Type::kDynamic: {
      const double stretch = static_cast<double>(std::max(length, max_position_)) / static_cast<double>(max_position_);
      return unscaled(rope_.theta * std::pow(rope_.factor * stretch - (rope_.factor - 1), dim / (dim - 2)));
    }
    case RopeConfig::Type::kLlama3: return llama3();
    case RopeConfig::Type::kYarn: return yarn();
    case RopeConfig::Type::kLongRope: {
      const auto& factors = length > original_max_position_ ? rope_.long_factor : rope_.short_factor;
      return (at::tensor(factors, at::kDouble).to(at::kFloat) * unscaled(rope_.theta).reciprocal()).reciprocal();
    }
  }
  throw Error(Code::kInternal, "rope type without an implementation");
}

at::Tensor RotaryEmbedding::unscaled(double theta) const {
  const at::Tensor exponents = at::arange(0, rotary_dim_, 2, at::kLong).to(at::kFloat) / rotary_dim_;
  return at::pow(theta, exponents).reciprocal();
}

at::Tensor RotaryEmbedding::llama3() const {
  const at::Tensor plain = unscaled(rope_.theta);
  const double length = static_cast<double>(original_max_position_);
  const at::Tensor wavelengths = 2 * std::numbers::pi / plain;
  const at::Tensor smooth =
      (length / wavelengths - rope_.low_freq_factor) / (rope_.high_freq_factor - rope_.low_freq_factor);
  const at::Tensor blended = (1 - smooth) * plain / rope_.factor + smooth * plain;
  const at::Tensor is_low = wavelengths > length / rope_.low_freq_factor;
  const at::Tensor is_high = wavelengths < length / rope_.high_freq_factor;
  return at::where(is_low, plain / rope_.factor, at::where(is_high, plain, blended));
}

at::Tensor RotaryEmbedding::yarn() const {
  const double dim = static_cast<double>(rotary_dim_), length = static_cast<double>(original_max_position_);
  double low = correction_dimension(rope_.beta_fast, dim, rope_.theta, length);
  double high = correction_dimension(rope_.beta_slow, dim, rope_.theta, length);
  if (rope_.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, dim - 1);
  if (low == high) high += 0.001;  // as transformers does, against a division by zero
  const at::Tensor ramp =
      ((at::arange(rotary_dim_ / 2, at::kLong).to(at::kFloat) - low) / (high - low)).clamp(0, 1);
  const at::Tensor extrapolated = unscaled(rope_.theta);
  const at::Tensor interpolated = (rope_.factor * extrapolated.reciprocal()).reciprocal();
  return interpolated * ramp + extrapolated * (1 - ramp);
}

}  // namespace tandem::model
