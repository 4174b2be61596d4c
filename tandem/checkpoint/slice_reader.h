// Cuts a slice into pieces for sending. Called by the head; the receiving side is SliceCache.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tandem/base/hash.h"
#include "tandem/checkpoint/checkpoint.h"
#include "tandem/checkpoint/safetensors.h"

namespace tandem::checkpoint {

/// Bytes of every piece but the last. Pieces cut the packed data section (PackedLayout), not the tensors.
inline constexpr std::uint64_t kPieceBytes = 4 << 20;

/// How many pieces a data section has.
std::uint32_t count_pieces(std::uint64_t data_bytes);
/// Bytes of piece `index`; 0 behind the last.
std::uint64_t piece_size(std::uint64_t data_bytes, std::uint32_t index);

/// Reads pieces of some tensors of a checkpoint. Safe from any thread; holds no data: each piece is read from
/// the file into the caller's buffer, so the sender's resident memory does not grow with the slice.
class SliceReader {
 public:
  /// `tensors` are the checkpoint's own, as Checkpoint::slice gives them.
  SliceReader(Checkpoint checkpoint, std::vector<TensorInfo> tensors);

  std::uint64_t data_bytes() const { return packed_.data_bytes; }
  std::uint32_t num_pieces() const { return count_pieces(packed_.data_bytes); }
  std::uint64_t piece_bytes(std::uint32_t index) const { return piece_size(packed_.data_bytes, index); }
  /// Fills `out`, which must have piece_bytes(index), and returns its SHA-256. Throws Error{kInvalidArgument}
  /// on a wrong index or size, Error{kCorrupt} when the file has shrunk.
  Digest read_piece(std::uint32_t index, std::span<std::uint8_t> out) const;

 private:
  Checkpoint checkpoint_;
  PackedLayout packed_;
  std::vector<TensorInfo> sources_;  ///< in packed order, with their places in the checkpoint
};

}  // namespace tandem::checkpoint
