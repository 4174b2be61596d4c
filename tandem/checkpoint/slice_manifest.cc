#include "tandem/checkpoint/slice_manifest.h"

#include <algorithm>
#include <numeric>
#include <string_view>

#include "tandem/base/bytes.h"
#include "tandem/base/error.h"
#include "tandem/checkpoint/safetensors.h"

namespace tandem::checkpoint {
namespace {

constexpr std::size_t kMaxConfigBytes = 1 << 20;

std::vector<std::size_t> order_by_name(const SliceManifest& manifest) {
  std::vector<std::size_t> order(manifest.tensors.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return manifest.tensors[a].name < manifest.tensors[b].name;
  });
  return order;
}

}  // namespace

SliceManifest make_manifest(const Checkpoint& checkpoint, const Share& share,
                            const std::filesystem::path& memory) {
  SliceManifest manifest{.structure = checkpoint.structure_hash(),
                         .tensors = checkpoint.slice(share),
                         .config = dump_json(checkpoint.config().raw)};
  manifest.hashes = tensor_hashes(checkpoint, manifest.tensors, memory);
  const Json& generation = checkpoint.config().raw_generation;
  if (!generation.is_null()) manifest.generation_config = dump_json(generation);
  return manifest;
}

Digest slice_key(const SliceManifest& manifest) {
  ByteWriter text;
  text.put_string("tandem slice 1");
  text.put_raw(manifest.structure);
  text.put_string(manifest.config);
  text.put_string(manifest.generation_config);
  for (const std::size_t i : order_by_name(manifest)) {
    const TensorInfo& tensor = manifest.tensors[i];
    text.put_string(tensor.name);
    text.put(tensor.dtype);
    text.put_array(tensor.shape);
    text.put_raw(manifest.hashes.at(i));
  }
  return sha256(text.take());
}

void check_manifest(const SliceManifest& manifest) {
  const auto refuse = [](const std::string& why) { throw Error(Code::kCorrupt, "slice manifest: " + why); };
  if (manifest.tensors.size() > kMaxTensors) refuse("more than " + std::to_string(kMaxTensors) + " tensors");
  if (manifest.tensors.size() != manifest.hashes.size()) refuse("tensors and hashes differ in number");
  if (manifest.config.size() > kMaxConfigBytes || manifest.generation_config.size() > kMaxConfigBytes) {
    refuse("a config of more than 1 MiB");
  }
  std::string_view previous;
  for (const std::size_t i : order_by_name(manifest)) {
    const TensorInfo& tensor = manifest.tensors[i];
    if (tensor.name.empty() || tensor.name.size() > 256) refuse("a name of 0 or more than 256 bytes");
    if (tensor.name == previous) refuse("tensor " + tensor.name + " stands twice");
    previous = tensor.name;
    std::uint64_t bytes = dtype_bytes(tensor.dtype);
    bool fits = true;
    for (const std::int64_t dim : tensor.shape) {
      fits = fits && dim >= 0 && !__builtin_mul_overflow(bytes, static_cast<std::uint64_t>(dim), &bytes);
    }
    if (!fits || bytes != tensor.size_bytes)
      refuse("tensor " + tensor.name + ": its size does not follow from its shape");
  }
}

}  // namespace tandem::checkpoint
