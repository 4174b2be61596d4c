#include "tandem/cluster/slice_fetch.h"

#include <algorithm>
#include <cstring>
#include <thread>

#include "tandem/base/error.h"
#include "tandem/base/log.h"
#include "tandem/checkpoint/slice_manifest.h"
#include "tandem/cluster/slice_messages.h"

namespace tandem::cluster {
namespace {

using link::Message;
using SteadyTime = std::chrono::steady_clock;

constexpr int kMaxFruitlessTries = 5;

std::optional<std::filesystem::path> find_in_hub(const link::PrepareSlice& wanted, const Digest& key, const SliceFetchOptions& options) {
  if (wanted.model.empty() || !options.find_model) return std::nullopt;
  const auto folder = options.find_model(wanted.model);
  if (!folder) return std::nullopt;
  try {
    const auto checkpoint = checkpoint::Checkpoint::open(*folder);
    const auto own = checkpoint::make_manifest(checkpoint, from_message(wanted.share), options.hash_memory);
    if (checkpoint::slice_key(own) == key) return folder;
    log::warn("this machine's copy of {} differs from the head's: the slice comes from the head", wanted.model);
  } catch (const Error& e) {
    log::warn("this machine's copy of {} cannot be used: {}", wanted.model, e.what());
  }
  return std::nullopt;
}

// One connection: asks for everything that is missing and takes what comes. True when nothing is missing any more.
bool receive_pieces(checkpoint::SliceWriter& writer, const std::string& stage, const SliceFetchOptions& options,
                    const std::atomic<bool>& stop) {
  auto missing = writer.missing_pieces();
  if (missing.empty()) return true;
  std::uint64_t left = 0;
  for (const std::uint32_t index : missing) left += writer.piece_bytes(index);
  link::Link link = options.connect();
  link.send(static_cast<std::uint8_t>(Message::kSliceRequest), encode_message(link::SliceRequest{.stage = stage, .pieces = std::move(missing)}));
  while (true) {
    if (stop) throw Error(Code::kCancelled, "the slice is not wanted any more");
    const auto frame = link.receive(SteadyTime::now() + std::chrono::seconds(15));
    if (!frame) throw Error(Code::kDeadlineExceeded, "the head sent no weights for 15 s");
    if (frame->type == static_cast<std::uint8_t>(Message::kSliceEnd)) return writer.missing_pieces().empty();
    if (frame->type != static_cast<std::uint8_t>(Message::kPiece)) throw Error(Code::kCorrupt, "an unexpected frame among the weights");
    ByteReader in(frame->payload, "weights");
    const auto index = in.get<std::uint32_t>();
    Digest digest;
    const auto hash = in.take(digest.size());
    std::copy(hash.begin(), hash.end(), digest.begin());
    const auto bytes = in.take(in.left());
    writer.write_piece(index, bytes, digest);
    left -= std::min<std::uint64_t>(left, bytes.size());
    if (options.progress) options.progress(writer.data_bytes() - left, writer.data_bytes());
  }
}

void receive_all(checkpoint::SliceWriter& writer, const std::string& stage, const SliceFetchOptions& options,
                 const std::atomic<bool>& stop) {
  int fruitless_tries = 0;
  while (true) {
    const std::size_t before = writer.missing_pieces().size();
    try {
      if (receive_pieces(writer, stage, options, stop)) return;
    } catch (const Error& e) {
      const bool may_pass = e.code() == Code::kUnavailable || e.code() == Code::kDeadlineExceeded;
      if (!may_pass || stop) throw;
      log::warn("the weights connection was cut, {} of {} pieces are missing: {}", writer.missing_pieces().size(),
                writer.num_pieces(), e.what());
    }
    fruitless_tries = writer.missing_pieces().size() < before ? 0 : fruitless_tries + 1;
    if (fruitless_tries >= kMaxFruitlessTries) {
      throw Error(Code::kUnavailable, "the weights do not arrive: five connections to the head brought nothing");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(200) * fruitless_tries);
  }
}

}  // namespace

FetchedSlice fetch_slice(const link::PrepareSlice& wanted, const SliceFetchOptions& options, const std::atomic<bool>& stop) {
  const checkpoint::SliceManifest manifest = manifest_of(wanted);
  const Digest key = checkpoint::slice_key(manifest);
  const auto from_cache = [&](checkpoint::SliceEntry entry, const char* source) {
    FetchedSlice fetched{.folder = entry.folder(), .source = source};
    fetched.entry.emplace(std::move(entry));
    return fetched;
  };
  if (auto entry = options.cache->find(key)) return from_cache(std::move(*entry), "cache");
  if (const auto folder = find_in_hub(wanted, key, options)) return {.folder = *folder, .source = "hub"};
  checkpoint::SliceWriter writer = options.cache->begin(manifest);
  // A piece that was wrong on the disk is missing again after a failed commit; a second round mends it.
  for (int round = 0;; ++round) {
    receive_all(writer, wanted.stage, options, stop);
    try {
      return from_cache(writer.commit(), "streamed");
    } catch (const Error& e) {
      if (e.code() != Code::kCorrupt || round > 0) throw;
      log::warn("{}: receiving it again", e.what());
    }
  }
}

}  // namespace tandem::cluster
