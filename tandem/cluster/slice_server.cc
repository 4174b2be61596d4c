#include "tandem/cluster/slice_server.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "tandem/base/error.h"
#include "tandem/checkpoint/slice_manifest.h"
#include "tandem/cluster/slice_messages.h"

namespace tandem::cluster {

static_assert(link::kPieceBytes == checkpoint::kPieceBytes, "a piece travels in one frame");

SliceServer::SliceServer(checkpoint::Checkpoint checkpoint, std::string model, std::filesystem::path memory)
    : checkpoint_(std::move(checkpoint)), model_(std::move(model)), memory_(std::move(memory)) {}

link::PrepareSlice SliceServer::prepare(const std::string& stage, const checkpoint::Share& share) {
  const auto manifest = checkpoint::make_manifest(checkpoint_, share, memory_);
  link::PrepareSlice message = to_message(manifest, share);
  message.stage = stage;
  message.model = model_;
  auto reader = std::make_shared<checkpoint::SliceReader>(checkpoint_, checkpoint_.slice(share));
  std::lock_guard lock(mutex_);
  readers_[stage] = std::move(reader);
  return message;
}

void SliceServer::serve(link::Link& link) {
  using Clock = std::chrono::steady_clock;
  const auto frame = link.receive(Clock::now() + std::chrono::seconds(10));
  if (!frame || frame->type != static_cast<std::uint8_t>(link::Message::kSliceRequest)) {
    throw Error(Code::kCorrupt, "a weights connection from " + link.peer_address() + " did not ask for a slice");
  }
  const auto request = link::decode_message<link::SliceRequest>(frame->payload);
  std::shared_ptr<const checkpoint::SliceReader> reader;
  {
    std::lock_guard lock(mutex_);
    if (const auto it = readers_.find(request.stage); it != readers_.end()) reader = it->second;
  }
  if (!reader) throw Error(Code::kNotFound, "a weights connection asked for the slice of an unknown stage " + request.stage);
  Bytes payload;
  for (const std::uint32_t index : request.pieces) {
    const std::uint64_t size = reader->piece_bytes(index);
    if (size == 0) throw Error(Code::kCorrupt, "a weights connection asked for piece " + std::to_string(index) + ", past the end");
    constexpr std::size_t kHeader = sizeof(std::uint32_t) + sizeof(Digest);
    payload.resize(kHeader + size);
    const Digest digest = reader->read_piece(index, std::span(payload).subspan(kHeader));
    std::memcpy(payload.data(), &index, sizeof(index));
    std::copy(digest.begin(), digest.end(), payload.begin() + sizeof(index));
    link.send(static_cast<std::uint8_t>(link::Message::kPiece), payload);
  }
  link.send(static_cast<std::uint8_t>(link::Message::kSliceEnd), {});
  // The peer closes once it has everything; closing first could cut what is still on its way.
  try {
    link.receive(Clock::now() + std::chrono::seconds(60));
  } catch (const Error&) {
  }
}

void SliceServer::forget(const std::string& stage) {
  std::lock_guard lock(mutex_);
  readers_.erase(stage);
}

}  // namespace tandem::cluster
