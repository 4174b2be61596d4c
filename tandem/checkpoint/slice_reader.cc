#include "tandem/checkpoint/slice_reader.h"

#include <algorithm>

#include "tandem/base/error.h"

namespace tandem::checkpoint {

std::uint32_t count_pieces(std::uint64_t data_bytes) {
  const std::uint64_t count = data_bytes / kPieceBytes + (data_bytes % kPieceBytes != 0 ? 1 : 0);
  if (count > UINT32_MAX) throw Error(Code::kCorrupt, "a slice of " + std::to_string(data_bytes) + " bytes");
  return static_cast<std::uint32_t>(count);
}

std::uint64_t piece_size(std::uint64_t data_bytes, std::uint32_t index) {
  const std::uint64_t first = index * kPieceBytes;
  return first >= data_bytes ? 0 : std::min(kPieceBytes, data_bytes - first);
}

SliceReader::SliceReader(Checkpoint checkpoint, std::vector<TensorInfo> tensors)
    : checkpoint_(std::move(checkpoint)), packed_(pack(tensors)) {
  for (const TensorInfo& placed : packed_.tensors) {
    const TensorInfo* source = checkpoint_.find(placed.name);
    if (source == nullptr || source->size_bytes != placed.size_bytes) {
      throw Error(Code::kInvalidArgument, "tensor " + placed.name + ": not of this checkpoint");
    }
    sources_.push_back(*source);
  }
}

Digest SliceReader::read_piece(std::uint32_t index, std::span<std::uint8_t> out) const {
  if (index >= num_pieces() || out.size() != piece_bytes(index)) {
    throw Error(Code::kInvalidArgument, "piece " + std::to_string(index) + " of " +
                                            std::to_string(num_pieces()) + " into " +
                                            std::to_string(out.size()) + " bytes");
  }
  const std::uint64_t first = packed_.header.size() + index * kPieceBytes;
  const std::uint64_t last = first + out.size();
  // The first tensor that ends behind the piece's start.
  auto placed = std::partition_point(packed_.tensors.begin(), packed_.tensors.end(),
                                     [&](const TensorInfo& t) { return t.offset + t.size_bytes <= first; });
  for (; placed != packed_.tensors.end() && placed->offset < last; ++placed) {
    const std::uint64_t begin = std::max(first, placed->offset);
    const std::uint64_t end = std::min(last, placed->offset + placed->size_bytes);
    const TensorInfo& source = sources_[static_cast<std::size_t>(placed - packed_.tensors.begin())];
    checkpoint_.read(source, begin - placed->offset, out.subspan(begin - first, end - begin));
  }
  return sha256(out);
}

}  // namespace tandem::checkpoint
