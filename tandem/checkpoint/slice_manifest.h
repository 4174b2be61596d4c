// Names a slice by its content: what a worker must receive to hold one share, and the key under which it
// keeps it. The head makes it from its checkpoint, the worker receives it and proves its bytes by it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "tandem/base/hash.h"
#include "tandem/checkpoint/checkpoint.h"

namespace tandem::checkpoint {

/// A share's tensors and the two config files beside them.
struct SliceManifest {
  Digest structure{};                  ///< Checkpoint::structure_hash of the whole model
  std::vector<TensorInfo> tensors;     ///< name, dtype, shape and size_bytes count; file and offset do not
  std::vector<Digest> hashes;          ///< SHA-256 of each tensor's bytes, in the same order
  std::string config;                  ///< text of config.json
  std::string generation_config;       ///< text of generation_config.json; empty: none
};

/// Reads every byte of the share once, and none when `memory` knows the files (tensor_hashes).
SliceManifest make_manifest(const Checkpoint& checkpoint, const Share& share,
                            const std::filesystem::path& memory);

/// SHA-256 over all of the manifest, whatever the order of its tensors. Equal keys mean equal bytes.
Digest slice_key(const SliceManifest& manifest);

/// For a manifest that came over a link. Throws Error{kCorrupt} unless each name stands once and has 1 to 256
/// bytes, sizes follow from shapes, there is a hash for each tensor and both counts and texts are within
/// bounds.
void check_manifest(const SliceManifest& manifest);

}  // namespace tandem::checkpoint
