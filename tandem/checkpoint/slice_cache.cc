#include "tandem/checkpoint/slice_cache.h"

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tandem/base/error.h"
#include "tandem/base/log.h"
#include "tandem/base/strings.h"
#include "tandem/checkpoint/folder_lock.h"
#include "tandem/checkpoint/slice_writer.h"

namespace tandem::checkpoint {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kPartial = ".partial";    ///< arriving, or cut off
constexpr std::string_view kEvicted = ".evicted";    ///< being removed
constexpr std::size_t kKeyChars = 64;

std::uint64_t free_bytes_of(const fs::path& folder) {
  struct statvfs status;
  if (::statvfs(folder.c_str(), &status) != 0)
    throw Error(Code::kIo, folder.string() + ": " + errno_text(errno));
  return static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
}

/// What the folder's files take on the disk now; a sparse file counts only what was written.
std::uint64_t allocated_bytes(const fs::path& folder) {
  std::uint64_t bytes = 0;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    struct stat status;
    if (::lstat(entry->path().c_str(), &status) == 0)
      bytes += static_cast<std::uint64_t>(status.st_blocks) * 512;
  }
  return bytes;
}

std::uint64_t file_bytes(const fs::path& folder) {
  std::uint64_t bytes = 0;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    struct stat status;
    if (::lstat(entry->path().c_str(), &status) == 0) bytes += static_cast<std::uint64_t>(status.st_size);
  }
  return bytes;
}

bool is_ours(const std::string& name) {
  const std::string_view key = std::string_view(name).substr(0, kKeyChars);
  const std::string_view ending = std::string_view(name).substr(key.size());
  return key.size() == kKeyChars && key.find_first_not_of("0123456789abcdef") == std::string_view::npos &&
         (ending.empty() || ending == kPartial || ending == kEvicted);
}

}  // namespace

struct SliceCache::Item {
  fs::path path;
  std::uint64_t bytes = 0;
  fs::file_time_type last_use;
};

fs::path default_slice_folder() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  if (cache != nullptr && *cache == '/') return fs::path(cache) / "tandem" / "slices";
  const char* home = std::getenv("HOME");
  if (home == nullptr || *home == '\0') {
    throw Error(Code::kInvalidArgument,
                "neither XDG_CACHE_HOME nor HOME is set, so slices have no place; set one of them");
  }
  return fs::path(home) / ".cache" / "tandem" / "slices";
}

SliceCache::SliceCache(SliceCacheOptions options) : options_(std::move(options)) {
  if (!options_.free_bytes) options_.free_bytes = free_bytes_of;
  std::error_code error;
  fs::create_directories(options_.folder, error);
  if (error) throw Error(Code::kIo, options_.folder.string() + ": cannot be made: " + error.message());
}

std::optional<SliceEntry> SliceCache::find(const Digest& key) const {
  const fs::path folder = options_.folder / to_hex(key);
  auto lock = try_lock(folder, LockKind::kShared);
  std::error_code error;
  if (!lock || !fs::is_regular_file(folder / "model.safetensors", error)) return std::nullopt;
  // The folder's own time is the time of its last use; on a read-only disk nothing is evicted anyway.
  ::futimens(lock->get(), nullptr);
  return SliceEntry(folder, std::move(*lock));
}

std::vector<SliceCache::Item> SliceCache::items() const {
  std::vector<Item> items;
  std::error_code error;
  for (fs::directory_iterator entry(options_.folder, error), end; !error && entry != end;
       entry.increment(error)) {
    std::error_code gone;
    if (!is_ours(entry->path().filename().string()) || !fs::is_directory(entry->symlink_status(gone)))
      continue;
    const auto last_use = entry->last_write_time(gone);
    if (!gone)
      items.push_back({.path = entry->path(), .bytes = file_bytes(entry->path()), .last_use = last_use});
  }
  std::sort(items.begin(), items.end(), [](const Item& a, const Item& b) { return a.last_use < b.last_use; });
  return items;
}

std::uint64_t SliceCache::used_bytes() const {
  std::uint64_t bytes = 0;
  for (const Item& item : items()) bytes += item.bytes;
  return bytes;
}

bool SliceCache::evict(const Item& item) const {
  const auto lock = try_lock(item.path, LockKind::kExclusive);
  if (!lock) return false;
  std::error_code error;
  // Renamed before it is emptied, so that a kill in between leaves no half entry under a key.
  const fs::path doomed =
      options_.folder / (item.path.filename().string().substr(0, kKeyChars) + std::string(kEvicted));
  if (item.path != doomed) {
    fs::remove_all(doomed, error);
    fs::rename(item.path, doomed, error);
    if (error) return false;
  }
  fs::remove_all(doomed, error);
  log::info("slice cache: {} ({}) removed", item.path.filename().string().substr(0, 12),
            format_bytes(item.bytes));
  return !error;
}

void SliceCache::make_room(std::uint64_t bytes, std::uint64_t bytes_there, const fs::path& keep) const {
  if (bytes > options_.max_bytes) {
    throw Error(Code::kDoesNotFit, "the slice takes " + format_bytes(bytes) + "; the slice cache " +
                                       options_.folder.string() + " may hold " +
                                       format_bytes(options_.max_bytes));
  }
  std::vector<Item> others = items();
  std::erase_if(others, [&](const Item& item) { return item.path == keep; });
  std::uint64_t used = 0;
  for (const Item& item : others) used += item.bytes;
  const std::uint64_t to_write = bytes - std::min(bytes, bytes_there);
  auto next = others.begin();
  while (used + bytes > options_.max_bytes || options_.free_bytes(options_.folder) < to_write) {
    if (next == others.end()) {
      throw Error(Code::kDoesNotFit, "the slice needs " + format_bytes(to_write) + " more on the disk of " +
                                         options_.folder.string() + ", where " +
                                         format_bytes(options_.free_bytes(options_.folder)) +
                                         " are free and slices in use take " + format_bytes(used) + " of " +
                                         format_bytes(options_.max_bytes) +
                                         "; free some space or choose another cache folder");
    }
    if (evict(*next)) used -= next->bytes;
    ++next;
  }
}

SliceWriter SliceCache::begin(const SliceManifest& manifest) const {
  check_manifest(manifest);
  const fs::path target = options_.folder / to_hex(slice_key(manifest));
  const fs::path partial = target.string() + std::string(kPartial);
  std::error_code error;
  fs::create_directory(partial, error);
  if (error) throw Error(Code::kIo, partial.string() + ": cannot be made: " + error.message());
  auto lock = try_lock(partial, LockKind::kExclusive);
  if (!lock) {
    throw Error(Code::kUnavailable,
                partial.string() + ": another tandem on this machine is receiving this slice; try again");
  }
  ::futimens(lock->get(), nullptr);
  make_room(pack(manifest.tensors).file_bytes(), allocated_bytes(partial), partial);
  return SliceWriter(std::make_unique<SliceWriter::Impl>(partial, target, std::move(*lock), manifest));
}

}  // namespace tandem::checkpoint
