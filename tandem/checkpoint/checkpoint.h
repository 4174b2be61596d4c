// A model's weights on disk: safetensors files, mapped and checked, and which of them a share needs.
// Torch-free; the head plans and streams with it, a stage loads its slice with it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tandem/base/hash.h"
#include "tandem/checkpoint/model_config.h"

namespace tandem::checkpoint {

enum class Dtype : std::uint8_t { kF32, kF16, kBF16 };
std::size_t dtype_bytes(Dtype dtype);
std::string_view to_string(Dtype dtype);   ///< "f32", "f16", "bf16"

struct TensorInfo {
  std::string name;
  Dtype dtype = Dtype::kF32;
  std::vector<std::int64_t> shape;
  std::int32_t file = 0;          ///< index into Checkpoint::files()
  std::uint64_t offset = 0;       ///< bytes from the file's start
  std::uint64_t size_bytes = 0;   ///< product(shape) · dtype_bytes, checked
};

/// What one rank holds of a model: layers [first_layer, end_layer), and, until shards come, all of each.
struct Share {
  std::int32_t first_layer = 0, end_layer = 0;
  bool embedding = false;         ///< rank 0
  bool head = false;              ///< last rank: final norm and LM head (the embedding's tensor when tied)
  std::int32_t shard = 0, num_shards = 1;
  bool operator==(const Share&) const = default;
};
/// "layers 0-9 + embedding"
std::string to_string(const Share& share);

/// Which file it is and which writing of it, as the system tells.
struct FileIdentity {
  std::uint64_t device = 0, inode = 0, size_bytes = 0;
  std::int64_t mtime_ns = 0;
  bool operator==(const FileIdentity&) const = default;
};

/// An opened model folder. Immutable; safe from any thread. Opening reads headers only: the data are mapped,
/// not touched.
class Checkpoint {
 public:
  /// model.safetensors, or model.safetensors.index.json and its shards. Throws Error naming file and tensor
  /// on: header length, dtype, overlap, gap, shape × dtype ≠ bytes (checked arithmetic), data past the end, a
  /// name in the index without a tensor, a path that leaves the folder, a file that is not a regular file.
  /// Hub-cache symlinks to blobs are followed. A folder may hold one share's tensors only: what is missing is
  /// noticed by `slice`.
  static Checkpoint open(const std::filesystem::path& folder);

  const ModelConfig& config() const;
  const std::filesystem::path& folder() const;
  const std::vector<std::filesystem::path>& files() const;
  /// By ascending name.
  const std::vector<TensorInfo>& tensors() const;
  /// nullptr when absent.
  const TensorInfo* find(std::string_view name) const;
  /// The tensors of a share, by ascending name; throws Error{kCorrupt} when the architecture needs one that
  /// is missing or has another shape than the config says.
  std::vector<TensorInfo> slice(const Share& share) const;
  /// The mapped bytes; valid while the Checkpoint (or a copy) lives. Throws Error{kCorrupt} if the file has
  /// shrunk since.
  std::span<const std::uint8_t> bytes(const TensorInfo& tensor) const;
  /// Copies a part of a tensor through a read, not the mapping: no page of it counts as this process's, and a
  /// file that shrinks while it is read is an Error{kCorrupt}, never a signal.
  void read(const TensorInfo& tensor, std::uint64_t offset, std::span<std::uint8_t> out) const;
  /// Tells the system that these pages will not be needed again.
  void release(const TensorInfo& tensor) const;
  /// Of files()[file] as it is now; throws Error{kIo}.
  FileIdentity identity(std::int32_t file) const;
  /// Identifies the model without reading weights: hash over config.json and the name, dtype, shape of every
  /// tensor.
  Digest structure_hash() const;

 private:
  class Impl;
  std::shared_ptr<const Impl> impl_;
};

/// Weight bytes of a share, by parts, for the planner.
struct ShareBytes {
  std::uint64_t embedding = 0, layers = 0, head = 0;
  std::uint64_t total() const { return embedding + layers + head; }
};
ShareBytes share_bytes(const Checkpoint& checkpoint, const Share& share);

/// Writes model.safetensors of exactly these tensors, empty (sparse), so that pieces can arrive in any order;
/// returns the tensors with their offsets in the new file.
std::vector<TensorInfo> write_safetensors_header(const std::filesystem::path& file,
                                                 std::vector<TensorInfo> tensors);

/// The SHA-256 of each tensor's bytes, remembered on disk by (device, inode, size, mtime) of its file, so
/// that a second call reads none of the source. `memory` is a folder that belongs to tandem; when it cannot
/// be written, nothing is remembered.
std::vector<Digest> tensor_hashes(const Checkpoint& checkpoint, std::span<const TensorInfo> tensors,
                                  const std::filesystem::path& memory);

}  // namespace tandem::checkpoint
