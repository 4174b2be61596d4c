// Locks on folders between processes. Called by SliceCache and SliceWriter.
#pragma once

#include <filesystem>
#include <optional>

#include "tandem/base/unique_fd.h"

namespace tandem::checkpoint {

enum class LockKind { kShared, kExclusive };

/// flock on the folder itself, without waiting; it ends when the descriptor closes, also by kill -9. nullopt
/// when another holds it or the folder is gone. Where the file system has no locks (some NFS) it succeeds
/// without one.
std::optional<UniqueFd> try_lock(const std::filesystem::path& folder, LockKind kind);

/// Exclusive to shared. Throws Error{kIo}.
void make_shared(const UniqueFd& lock);

/// fsync on a folder: its names are on disk. Throws Error{kIo}.
void sync_folder(const std::filesystem::path& folder);

}  // namespace tandem::checkpoint
