// The arithmetic of a layer, behind one interface: libtorch's on any device, own kernels on the CPU. Layers (attention, mlp,
// the blocks of each architecture) call nothing else, so a faster kernel changes no layer.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "tandem/checkpoint/model_config.h"
#include "tandem/model/kv_cache.h"
#include "tandem/model/step_rows.h"

namespace tandem::model {

/// y = x · weightᵀ + bias.
struct Linear {
  at::Tensor weight;  ///< [out, in], in the weights' dtype
  at::Tensor bias;    ///< [out], in the weights' dtype; undefined: none
};

/// RMSNorm, or LayerNorm where there is a bias. Always f32.
struct Norm {
  at::Tensor weight;  ///< [width]
  at::Tensor bias;    ///< [width]; undefined: RMSNorm
  double eps = 1e-5;
};

/// Angles of the rows, computed once a step for all layers: f32 [T, R / 2].
struct Rotation {
  at::Tensor cos, sin;
};

/// How a layer's queries look at its keys.
struct AttentionShape {
  std::int32_t num_heads = 0;  ///< Q
  float scale = 1;             ///< 1 / sqrt(D)
  std::int32_t window = 0;     ///< positions seen back, the row itself included; 0: all
};

/// Everything takes and gives f32 tensors on one device; weights and KV keep their dtype. One thread.
class Ops {
 public:
  virtual ~Ops() = default;

  /// [T, in] → [T, out]. For bf16 and f16 weights the activations are rounded to the weights' dtype for the product.
  virtual at::Tensor linear(const at::Tensor& x, const Linear& linear) const = 0;
  /// Over the last dimension of x.
  virtual at::Tensor norm(const at::Tensor& x, const Norm& norm) const = 0;
  /// Rotates the first R elements of every head in place. heads: [T, n, D], dense in its last two dimensions.
  virtual void rope(const at::Tensor& heads, const Rotation& rotation) const = 0;
  /// [T, 2F], gates then values → activation(gates) · values: [T, F].
  virtual at::Tensor gated(const at::Tensor& gates_and_values, checkpoint::Activation activation) const = 0;
  virtual at::Tensor activate(const at::Tensor& x, checkpoint::Activation activation) const = 0;
  /// Rows of a table as f32: [T, H].
  virtual at::Tensor embed(const at::Tensor& table, const at::Tensor& ids) const = 0;
  /// Writes keys and values, [T, K, D], of every row to its place in the paged cache.
  virtual void store(const at::Tensor& keys, const at::Tensor& values, const StepRows& rows, LayerKv& kv) const = 0;
  /// Each row's queries, [T, Q, D], over its sequence's keys up to itself; causal. Returns [T, Q · D]. A sequence's rows are
  /// computed alike whatever else is in the step.
  virtual at::Tensor attend(const at::Tensor& queries, const StepRows& rows, const LayerKv& kv,
                            const AttentionShape& shape) const = 0;
};

/// `name`: auto (kernels on the CPU, libtorch elsewhere) or aten. Throws Error{kInvalidArgument} on another.
std::unique_ptr<Ops> make_ops(const std::string& name, const at::Device& device);

}  // namespace tandem::model
