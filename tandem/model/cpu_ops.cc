// The arithmetic of a layer on the CPU: norms, rotation and attention by own kernels, which read KV where it lies and
// compute every row alike whatever else is in the step; matrix products and activations by libtorch.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>

#include "tandem/base/error.h"
#include "tandem/kernels/scalar.h"
#include "tandem/model/aten_ops.h"

namespace tandem::model {
namespace {

/// Slices of at least this many rows gather their keys once and use matrix products; shorter ones read the blocks in place.
constexpr std::int64_t kMinRowsToGather = 16;

void parallel_for(std::int64_t count, const std::function<void(std::int64_t, std::int64_t)>& body) {
  at::parallel_for(0, count, /*grain_size=*/1, body);
}

kernels::HeadRows head_rows(const at::Tensor& heads) {
  return {.data = heads.data_ptr<float>(),
          .num_rows = heads.size(0),
          .row_stride = heads.stride(0),
          .num_heads = static_cast<std::int32_t>(heads.size(1)),
          .head_dim = static_cast<std::int32_t>(heads.size(2))};
}

kernels::ElementType element_type(at::ScalarType type) {
  switch (type) {
    case at::kFloat: return kernels::ElementType::kF32;
    case at::kHalf: return kernels::ElementType::kF16;
    case at::kBFloat16: return kernels::ElementType::kBF16;
    default: throw Error(Code::kInternal, std::string("no kernel for KV of type ") + c10::toString(type));
  }
}

kernels::PagedKv paged_kv(const LayerKv& kv) {
  return {.keys = kv.keys.data_ptr(),
          .values = kv.values.data_ptr(),
          .type = element_type(kv.keys.scalar_type()),
          .block_size = static_cast<std::int32_t>(kv.keys.size(1)),
          .num_kv_heads = static_cast<std::int32_t>(kv.keys.size(2)),
          .head_dim = static_cast<std::int32_t>(kv.keys.size(3))};
}

class CpuOps final : public AtenOps {
 public:
  at::Tensor norm(const at::Tensor& input, const Norm& norm) const override {
    const at::Tensor x = input.contiguous();
    at::Tensor y = at::empty_like(x);
    const std::int64_t width = x.size(-1);
    const float* weight = norm.weight.data_ptr<float>();
    if (norm.bias.defined()) {
      kernels::scalar::layer_norm({.x = x.data_ptr<float>(), .weight = weight, .bias = norm.bias.data_ptr<float>(),
                                   .y = y.data_ptr<float>(), .num_rows = x.numel() / width, .width = width,
                                   .eps = static_cast<float>(norm.eps)},
                                  parallel_for);
    } else {
      kernels::scalar::rms_norm({.x = x.data_ptr<float>(), .weight = weight, .y = y.data_ptr<float>(),
                                 .num_rows = x.numel() / width, .width = width, .eps = static_cast<float>(norm.eps)},
                                parallel_for);
    }
    return y;
  }

  void rope(const at::Tensor& heads, const Rotation& rotation) const override {
    kernels::scalar::rope(head_rows(heads), rotation.cos.data_ptr<float>(), rotation.sin.data_ptr<float>(),
                          static_cast<std::int32_t>(rotation.cos.size(1)), parallel_for);
  }

  void store(const at::Tensor& keys, const at::Tensor& values, const StepRows& rows, LayerKv& kv) const override {
    kernels::scalar::store_kv(head_rows(keys), head_rows(values), rows.places, paged_kv(kv), parallel_for);
  }

  at::Tensor attend(const at::Tensor& queries, const StepRows& rows, const LayerKv& kv,
                    const AttentionShape& shape) const override {
    at::Tensor output = at::empty(queries.sizes(), queries.options());
    std::vector<kernels::RowPlace> in_place;
    for (const BatchSlice& slice : rows.slices) {
      if (slice.num_rows < kMinRowsToGather) {
        const auto first = rows.places.begin() + slice.first_row;
        in_place.insert(in_place.end(), first, first + slice.num_rows);
      } else {
        output.narrow(0, slice.first_row, slice.num_rows)
            .copy_(attend_slice(queries.narrow(0, slice.first_row, slice.num_rows), slice, kv, shape));
      }
    }
    kernels::scalar::paged_attention({.queries = head_rows(queries), .output = output.data_ptr<float>(),
                                      .rows = in_place, .kv = paged_kv(kv), .window = shape.window,
                                      .scale = shape.scale},
                                     parallel_for);
    return output.flatten(1);
  }
};

}  // namespace

std::unique_ptr<Ops> make_ops(const std::string& name, const at::Device& device) {
  if (name != "auto" && name != "aten") {
    throw Error(Code::kInvalidArgument, "--ops " + name + ": auto or aten");
  }
  if (name == "auto" && device.is_cpu()) return std::make_unique<CpuOps>();
  return std::make_unique<AtenOps>();
}

}  // namespace tandem::model
