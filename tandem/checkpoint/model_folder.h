// Opens files of a model folder that nobody vouches for: by plain name, inside the folder, regular files
// only. Called by ModelConfig and Checkpoint.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tandem/base/unique_fd.h"

namespace tandem::checkpoint {

/// An open regular file.
struct OpenFile {
  UniqueFd fd;
  std::filesystem::path path;     ///< as the folder names it, for messages
  std::uint64_t size_bytes = 0;
};

/// A folder of the operator's. A name in it may be a symbolic link only to a file of the same folder or, when
/// the folder is a snapshot of the Hub's cache (…/models--org--name/snapshots/COMMIT), of that model's blobs
/// folder: a model that was downloaded or unpacked must not be able to name any other file of this machine.
class ModelFolder {
 public:
  /// Throws Error{kNotFound} when it is no folder.
  explicit ModelFolder(const std::filesystem::path& folder);

  /// The path as the operator wrote it.
  const std::filesystem::path& path() const { return folder_; }
  std::filesystem::path path_of(const std::string& name) const { return folder_ / name; }
  /// True when the name stands there, be it a broken link.
  bool contains(const std::string& name) const;
  /// Names that end so, at most 64 of them, sorted.
  std::vector<std::string> names_ending_with(std::string_view ending) const;
  /// Opens for reading. Throws Error{kCorrupt} on a name with a slash, a link that leads out, a FIFO, device
  /// or folder; Error{kNotFound} when missing; Error{kIo}. Never blocks.
  OpenFile open(const std::string& name) const;
  /// The whole file; throws as open, and Error{kCorrupt} above `max_bytes`.
  std::string read_text(const std::string& name, std::size_t max_bytes) const;

 private:
  std::filesystem::path folder_;
  std::filesystem::path root_;  ///< canonical
  std::filesystem::path blobs_;  ///< of a Hub snapshot; else empty
};

/// Reads exactly out.size() bytes from `offset`; throws Error{kCorrupt} when the file ends before,
/// Error{kIo}. Unlike a mapping this cannot raise SIGBUS when a file shrinks.
void read_exactly(const OpenFile& file, std::uint64_t offset, std::span<std::uint8_t> out);

}  // namespace tandem::checkpoint
