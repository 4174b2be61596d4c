#include "tandem/checkpoint/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "tandem/base/error.h"

namespace tandem::checkpoint {
namespace {

bool has_no_locks(int error_number) {
  return error_number == ENOLCK || error_number == EOPNOTSUPP || error_number == EBADF ||
         error_number == EINVAL;
}

/// A folder may have been renamed or replaced between opening and locking.
bool still_names(const std::filesystem::path& folder, int fd) {
  struct stat by_name, by_fd;
  return ::lstat(folder.c_str(), &by_name) == 0 && ::fstat(fd, &by_fd) == 0 &&
         by_name.st_ino == by_fd.st_ino && by_name.st_dev == by_fd.st_dev;
}

}  // namespace

std::optional<UniqueFd> try_lock(const std::filesystem::path& folder, LockKind kind) {
  UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return std::nullopt;
  const int how = (kind == LockKind::kShared ? LOCK_SH : LOCK_EX) | LOCK_NB;
  if (::flock(fd.get(), how) != 0 && !has_no_locks(errno)) return std::nullopt;
  if (!still_names(folder, fd.get())) return std::nullopt;
  return fd;
}

void make_shared(const UniqueFd& lock) {
  if (::flock(lock.get(), LOCK_SH | LOCK_NB) != 0 && !has_no_locks(errno)) {
    throw Error(Code::kIo, "a lock on a slice cannot be shared: " + errno_text(errno));
  }
}

void sync_folder(const std::filesystem::path& folder) {
  const UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // EINVAL: a file system on which folders cannot be synced.
  if (!fd || (::fsync(fd.get()) != 0 && errno != EINVAL)) {
    throw Error(Code::kIo, folder.string() + ": cannot be synced: " + errno_text(errno));
  }
}

}  // namespace tandem::checkpoint
