// The worker's side of weights: finds a slice in its own caches, else receives what is missing from the head.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "tandem/checkpoint/slice_cache.h"
#include "tandem/link/link.h"
#include "tandem/link/messages.h"

namespace tandem::cluster {

struct SliceFetchOptions {
  const checkpoint::SliceCache* cache = nullptr;
  /// A new weights connection to the head.
  std::function<link::Link()> connect;
  /// The folder of a model in this machine's own Hub cache; nullopt when it is not there.
  std::function<std::optional<std::filesystem::path>(const std::string& model)> find_model;
  std::filesystem::path hash_memory;     ///< for the hashes of the Hub cache's files
  std::function<void(std::uint64_t done_bytes, std::uint64_t total_bytes)> progress;
};

struct FetchedSlice {
  std::filesystem::path folder;
  std::string source;                                ///< "cache", "hub", "streamed"
  std::optional<checkpoint::SliceEntry> entry;       ///< keeps a cached slice from being evicted
};

/// Blocks until the slice is on this disk. A cut connection is made again, five times without progress; what has arrived is
/// kept. Throws Error{kDoesNotFit | kCorrupt | kUnavailable}; Error{kCancelled} once `stop` is set.
FetchedSlice fetch_slice(const link::PrepareSlice& wanted, const SliceFetchOptions& options, const std::atomic<bool>& stop);

}  // namespace tandem::cluster
