#include "tandem/cluster/slice_messages.h"

#include <algorithm>
#include <array>

#include "tandem/base/error.h"

namespace tandem::cluster {
namespace {

Digest digest_of(const std::string& hex) {
  const auto bytes = from_hex(hex);
  Digest digest;
  if (bytes.size() != digest.size()) throw Error(Code::kCorrupt, "a slice's hash is not a SHA-256");
  std::copy(bytes.begin(), bytes.end(), digest.begin());
  return digest;
}

checkpoint::Dtype dtype_of(const std::string& name) {
  for (const auto dtype : {checkpoint::Dtype::kF32, checkpoint::Dtype::kF16, checkpoint::Dtype::kBF16}) {
    if (to_string(dtype) == name) return dtype;
  }
  throw Error(Code::kCorrupt, "a slice's tensor has the unknown dtype " + name);
}

std::uint64_t size_of(const link::TensorMessage& tensor, checkpoint::Dtype dtype) {
  std::uint64_t bytes = dtype_bytes(dtype);
  for (const std::int64_t extent : tensor.shape) {
    if (extent < 0 || __builtin_mul_overflow(bytes, static_cast<std::uint64_t>(extent), &bytes)) {
      throw Error(Code::kCorrupt, "a slice's tensor " + tensor.name + " has an impossible shape");
    }
  }
  return bytes;
}

}  // namespace

link::ShareMessage to_message(const checkpoint::Share& share) {
  return {share.first_layer, share.end_layer, share.embedding, share.head, share.shard, share.num_shards};
}

checkpoint::Share from_message(const link::ShareMessage& message) {
  return {message.first_layer, message.end_layer, message.embedding, message.head, message.shard, message.num_shards};
}

link::PrepareSlice to_message(const checkpoint::SliceManifest& manifest, const checkpoint::Share& share) {
  link::PrepareSlice message;
  message.structure = to_hex(manifest.structure);
  message.share = to_message(share);
  message.config = manifest.config;
  message.generation_config = manifest.generation_config;
  for (std::size_t i = 0; i < manifest.tensors.size(); ++i) {
    const checkpoint::TensorInfo& tensor = manifest.tensors[i];
    message.tensors.push_back({tensor.name, std::string(to_string(tensor.dtype)), tensor.shape, to_hex(manifest.hashes[i])});
  }
  return message;
}

checkpoint::SliceManifest manifest_of(const link::PrepareSlice& message) {
  checkpoint::SliceManifest manifest;
  manifest.structure = digest_of(message.structure);
  manifest.config = message.config;
  manifest.generation_config = message.generation_config;
  for (const link::TensorMessage& tensor : message.tensors) {
    const checkpoint::Dtype dtype = dtype_of(tensor.dtype);
    checkpoint::TensorInfo info{.name = tensor.name, .dtype = dtype, .shape = tensor.shape};
    info.size_bytes = size_of(tensor, dtype);
    manifest.tensors.push_back(std::move(info));
    manifest.hashes.push_back(digest_of(tensor.sha256));
  }
  checkpoint::check_manifest(manifest);
  return manifest;
}

}  // namespace tandem::cluster
