// The inside of SliceWriter: one folder KEY.partial, its data file and its journal. Made by
// SliceCache::begin.
#pragma once

#include <mutex>
#include <vector>

#include "tandem/checkpoint/safetensors.h"
#include "tandem/checkpoint/slice_cache.h"

namespace tandem::checkpoint {

/// The folder holds config.json, generation_config.json, model.safetensors at its full size (sparse) and
/// `pieces`, one byte a piece: 1 once it was written. The journal's byte is written after the data, so a
/// killed process leaves at most a piece too few.
class SliceWriter::Impl {
 public:
  /// `partial` exists and is locked by `lock`; pieces of an earlier attempt are kept when its header is the
  /// same.
  Impl(std::filesystem::path partial, std::filesystem::path target, UniqueFd lock, SliceManifest manifest);

  std::uint64_t data_bytes() const { return layout_.data_bytes; }
  std::vector<std::uint32_t> missing_pieces() const;
  void write_piece(std::uint32_t index, std::span<const std::uint8_t> bytes, const Digest& sha256);
  SliceEntry commit();

 private:
  bool resume();
  void start_anew();
  void mark(std::uint32_t index, bool is_present);
  /// Another process has completed the same slice meanwhile.
  SliceEntry take_existing();
  /// Throws Error{kCorrupt} and forgets the pieces of every tensor whose bytes are not the promised ones.
  void prove_tensors();

  std::filesystem::path partial_, target_;
  UniqueFd lock_;
  SliceManifest manifest_;
  PackedLayout layout_;
  std::vector<Digest> hashes_;  ///< in packed order
  OpenFile data_;
  UniqueFd journal_;
  mutable std::mutex mutex_;
  std::vector<std::uint8_t> present_;  ///< guarded by mutex_
};

}  // namespace tandem::checkpoint
