// The safetensors format: u64 header length, JSON header {name: {dtype, shape, data_offsets}}, data. Reading
// checks everything that the header claims; writing packs tensors one after the other. Called by Checkpoint
// and the slices' writer and sender.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tandem/checkpoint/checkpoint.h"
#include "tandem/checkpoint/model_folder.h"

namespace tandem::checkpoint {

/// Most tensors that one model may have. The five architectures need at most 15 a layer.
inline constexpr std::size_t kMaxTensors = 1 << 16;

/// What one file holds.
struct SafetensorsHeader {
  std::vector<TensorInfo> tensors;                             ///< by ascending offset; `file` is 0
  /// Tensors of other dtypes (name, dtype as written): sizes checked, never read.
  std::vector<std::pair<std::string, std::string>> others;
};

/// Throws Error{kCorrupt} naming file and tensor: header longer than 100 MB or the file, bad JSON, duplicate
/// names, a dtype that the format does not know, shape × dtype ≠ bytes, data outside the file, overlaps and
/// gaps. Reads the header only.
SafetensorsHeader read_safetensors_header(const OpenFile& file);

/// The weight_map of model.safetensors.index.json: (tensor, file) by ascending tensor. Throws
/// Error{kCorrupt}.
std::vector<std::pair<std::string, std::string>> read_weight_map(const OpenFile& file);

/// Where tensors lie in a packed file: widest dtype first, then by name, without gaps; data begin on a page
/// of 4 KiB.
struct PackedLayout {
  std::string header;                   ///< with its length before and spaces behind
  std::vector<TensorInfo> tensors;      ///< in packed order; offsets from the file's start
  std::uint64_t data_bytes = 0;
  std::uint64_t file_bytes() const { return header.size() + data_bytes; }
};

/// The same for equal tensors on every machine, so that sender and receiver agree without a word.
PackedLayout pack(std::vector<TensorInfo> tensors);

}  // namespace tandem::checkpoint
