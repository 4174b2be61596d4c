#include "tandem/model/weights.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cstring>

#include "tandem/base/error.h"
#include "tandem/model/huge_pages.h"

namespace tandem::model {
namespace {

/// How much of a file's mapping is resident at once.
constexpr std::uint64_t kPieceBytes = 16u << 20;

at::ScalarType scalar_type(checkpoint::Dtype dtype) {
  switch (dtype) {
    case checkpoint::Dtype::kF32: return at::kFloat;
    case checkpoint::Dtype::kF16: return at::kHalf;
    case checkpoint::Dtype::kBF16: return at::kBFloat16;
  }
  throw Error(Code::kInternal, "checkpoint dtype without a torch dtype");
}

}  // namespace

WeightLoader::WeightLoader(const checkpoint::Checkpoint& checkpoint, const checkpoint::Share& share,
                           std::optional<at::ScalarType> dtype, const at::Device& device, LoadProgress progress)
    : checkpoint_(checkpoint), dtype_(dtype), device_(device), progress_(std::move(progress)) {
  for (const checkpoint::TensorInfo& tensor : checkpoint.slice(share)) total_bytes_ += tensor.size_bytes;
}

Linear WeightLoader::linear(const std::vector<std::string>& names, Bias bias) {
  std::vector<std::string> weights, biases;
  for (const std::string& name : names) {
    weights.push_back(name + ".weight");
    biases.push_back(name + ".bias");
  }
  Linear result{.weight = stack(weights, dtype_)};
  if (bias == Bias::kPresent) result.bias = stack(biases, result.weight.scalar_type());
  return result;
}

Norm WeightLoader::norm(const std::string& name, double eps, Bias bias) {
  Norm result{.weight = stack({name + ".weight"}, at::kFloat), .eps = eps};
  if (bias == Bias::kPresent) result.bias = stack({name + ".bias"}, at::kFloat);
  return result;
}

at::Tensor WeightLoader::matrix(const std::string& name) { return stack({name}, dtype_); }

at::Tensor WeightLoader::stack(const std::vector<std::string>& names, std::optional<at::ScalarType> dtype) {
  std::vector<checkpoint::TensorInfo> parts;
  std::int64_t num_rows = 0;
  for (const std::string& name : names) {
    const checkpoint::TensorInfo* part = checkpoint_.find(name);
    if (part == nullptr) {
      throw Error(Code::kCorrupt, checkpoint_.folder().string() + ": no tensor " + name + ", which the model needs");
    }
    if (!parts.empty() && !std::equal(part->shape.begin() + 1, part->shape.end(), parts[0].shape.begin() + 1,
                                      parts[0].shape.end())) {
      throw Error(Code::kCorrupt, checkpoint_.folder().string() + ": " + name + " and " + names[0] +
                                      " have different widths");
    }
    num_rows += part->shape.at(0);
    parts.push_back(*part);
  }
  std::vector<std::int64_t> shape = parts[0].shape;
  shape[0] = num_rows;
  at::Tensor result = at::empty(shape, dtype.value_or(scalar_type(parts[0].dtype)));
  advise_huge_pages(result.data_ptr(), result.nbytes());
  std::int64_t row = 0;
  for (const checkpoint::TensorInfo& part : parts) {
    copy_rows(part, result.narrow(0, row, part.shape[0]));
    row += part.shape[0];
  }
  held_bytes_ += result.nbytes();
  return result.to(device_);
}

void WeightLoader::copy_rows(const checkpoint::TensorInfo& tensor, at::Tensor rows) {
  const std::int64_t num_rows = tensor.shape[0];
  const std::uint64_t row_bytes = tensor.size_bytes / std::max<std::int64_t>(num_rows, 1);
  const auto rows_at_once = static_cast<std::int64_t>(kPieceBytes / std::max<std::uint64_t>(row_bytes, 1) + 1);
  for (std::int64_t row = 0; row < num_rows; row += rows_at_once) {
    checkpoint::TensorInfo piece = tensor;
    piece.shape[0] = std::min(rows_at_once, num_rows - row);
    piece.offset += row * row_bytes;
    piece.size_bytes = piece.shape[0] * row_bytes;
    at::Tensor to = rows.narrow(0, row, piece.shape[0]);
    const auto bytes = checkpoint_.bytes(piece);
    if (to.scalar_type() == scalar_type(tensor.dtype)) {
      std::memcpy(to.data_ptr(), bytes.data(), bytes.size());
    } else {
      // A copy of the piece, since a file may place a tensor at any byte and a typed read must be aligned.
      at::Tensor aligned = at::empty(piece.shape, scalar_type(tensor.dtype));
      std::memcpy(aligned.data_ptr(), bytes.data(), bytes.size());
      to.copy_(aligned);
    }
    checkpoint_.release(piece);
    done_bytes_ += piece.size_bytes;
    if (progress_) progress_(done_bytes_, total_bytes_);
  }
}

}  // namespace tandem::model
