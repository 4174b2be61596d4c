#include "tandem/checkpoint/mapped_file.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "tandem/base/error.h"

namespace tandem::checkpoint {

MappedFile::MappedFile(OpenFile file) : file_(std::move(file)) {
  if (file_.size_bytes == 0) return;
  void* place = ::mmap(nullptr, file_.size_bytes, PROT_READ, MAP_PRIVATE, file_.fd.get(), 0);
  if (place == MAP_FAILED)
    throw Error(Code::kIo, file_.path.string() + ": cannot be mapped: " + errno_text(errno));
  data_ = static_cast<const std::uint8_t*>(place);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : file_(std::move(other.file_)), data_(std::exchange(other.data_, nullptr)) {}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::uint8_t*>(data_), file_.size_bytes);
}

FileIdentity MappedFile::identity() const {
  struct stat status;
  if (::fstat(file_.fd.get(), &status) != 0)
    throw Error(Code::kIo, file_.path.string() + ": " + errno_text(errno));
#ifdef __APPLE__
  const timespec mtime = status.st_mtimespec;
#else
  const timespec mtime = status.st_mtim;
#endif
  return {.device = static_cast<std::uint64_t>(status.st_dev),
          .inode = static_cast<std::uint64_t>(status.st_ino),
          .size_bytes = static_cast<std::uint64_t>(status.st_size),
          .mtime_ns = std::int64_t{mtime.tv_sec} * 1'000'000'000 + mtime.tv_nsec};
}

std::span<const std::uint8_t> MappedFile::bytes(std::uint64_t offset, std::uint64_t size) const {
  const std::uint64_t size_now = identity().size_bytes;
  if (size_now < offset + size) {
    throw Error(Code::kCorrupt, file_.path.string() + ": has become shorter since it was opened, " +
                                    std::to_string(size_now) + " of " + std::to_string(file_.size_bytes) +
                                    " bytes; fetch it again");
  }
  return {data_ + offset, size};
}

void MappedFile::release(std::uint64_t offset, std::uint64_t size) const {
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const std::uint64_t first = (offset + page - 1) / page * page;
  const std::uint64_t last = (offset + size) / page * page;
  // Only advice: a refusal costs memory, not correctness.
  if (last > first) ::madvise(const_cast<std::uint8_t*>(data_) + first, last - first, MADV_DONTNEED);
}

}  // namespace tandem::checkpoint
