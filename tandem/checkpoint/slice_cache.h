// The slices that a worker keeps on disk, so that it need not receive them again. Called by the agent; a
// stage opens an entry as an ordinary model folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "tandem/base/hash.h"
#include "tandem/base/unique_fd.h"
#include "tandem/checkpoint/slice_manifest.h"
#include "tandem/checkpoint/slice_reader.h"

namespace tandem::checkpoint {

/// A complete slice. While it lives no process evicts the folder: hold it as long as a stage may open it.
/// Move-only.
class SliceEntry {
 public:
  SliceEntry(std::filesystem::path folder, UniqueFd lock)
      : folder_(std::move(folder)), lock_(std::move(lock)) {}
  /// Holds config.json, generation_config.json if any, and model.safetensors of exactly the slice.
  const std::filesystem::path& folder() const { return folder_; }

 private:
  std::filesystem::path folder_;
  UniqueFd lock_;    ///< shared flock on the folder
};

/// A slice that arrives, in any order. What was written survives the process: after a kill -9 `begin` finds
/// it again. No piece is synced by itself; `commit` proves every tensor by its hash, which also finds what a
/// power cut has taken.
class SliceWriter {
 public:
  ~SliceWriter();
  SliceWriter(SliceWriter&&) noexcept;
  SliceWriter& operator=(SliceWriter&&) = delete;

  std::uint32_t num_pieces() const;
  /// Bytes of one piece; the data section's size.
  std::uint64_t piece_bytes(std::uint32_t index) const;
  std::uint64_t data_bytes() const;
  /// Ascending.
  std::vector<std::uint32_t> missing_pieces() const;
  /// Safe from several threads at once. Throws Error{kCorrupt} when the bytes have another SHA-256 or size
  /// than told, or no such piece exists; Error{kDoesNotFit} when the disk is full; Error{kIo}. A piece that
  /// is already there is not written again.
  void write_piece(std::uint32_t index, std::span<const std::uint8_t> bytes, const Digest& sha256);
  /// Proves all tensors, syncs, and renames the folder to its key. Call it once, after every write. Throws
  /// Error{kUnavailable} while pieces are missing; Error{kCorrupt} when a tensor is not what its hash says:
  /// its pieces are missing again.
  SliceEntry commit();

 private:
  friend class SliceCache;
  class Impl;
  explicit SliceWriter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

struct SliceCacheOptions {
  std::filesystem::path folder;        ///< belongs to tandem; made when missing
  std::uint64_t max_bytes = 0;         ///< of all slices together; the least recently used go first
  /// Free bytes of the file system that holds a folder; tests give another.
  std::function<std::uint64_t(const std::filesystem::path&)> free_bytes;
};

/// $XDG_CACHE_HOME/tandem/slices, else ~/.cache/tandem/slices. Throws Error{kInvalidArgument} when neither
/// variable is set.
std::filesystem::path default_slice_folder();

/// Safe from any thread and for several processes over one folder: each entry is guarded by a lock on its own
/// folder, which ends with its holder.
class SliceCache {
 public:
  explicit SliceCache(SliceCacheOptions options);

  /// Marks the entry as just used; nullopt when it is not there.
  std::optional<SliceEntry> find(const Digest& key) const;
  /// Makes room and opens the slice for writing, with the pieces of an earlier, cut attempt kept. Throws
  /// Error{kCorrupt} (check_manifest), Error{kDoesNotFit} with numbers when bound or disk do not suffice,
  /// Error{kUnavailable} while another process receives the same slice, Error{kIo}. Look with `find` first.
  SliceWriter begin(const SliceManifest& manifest) const;
  /// Bytes of all entries and cut attempts.
  std::uint64_t used_bytes() const;

 private:
  struct Item;
  std::vector<Item> items() const;
  bool evict(const Item& item) const;
  void make_room(std::uint64_t bytes, std::uint64_t bytes_there, const std::filesystem::path& keep) const;

  SliceCacheOptions options_;
};

}  // namespace tandem::checkpoint
