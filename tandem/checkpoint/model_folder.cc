#include "tandem/checkpoint/model_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "tandem/base/error.h"
#include "tandem/base/strings.h"

namespace tandem::checkpoint {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kMaxNames = 64;

/// models--org--name/blobs for models--org--name/snapshots/COMMIT. blobs itself is not resolved: a link there
/// leads out.
fs::path blobs_of(const fs::path& root) {
  const fs::path model = root.parent_path().parent_path();
  const bool is_snapshot =
      root.parent_path().filename() == "snapshots" && model.filename().string().rfind("models--", 0) == 0;
  return is_snapshot ? model / "blobs" : fs::path();
}

}  // namespace

ModelFolder::ModelFolder(const fs::path& folder) : folder_(folder) {
  std::error_code error;
  root_ = fs::canonical(folder, error);
  if (error || !fs::is_directory(root_, error)) {
    throw Error(Code::kNotFound, folder.string() + ": no such folder");
  }
  blobs_ = blobs_of(root_);
}

bool ModelFolder::contains(const std::string& name) const {
  struct stat status;
  return ::lstat((root_ / name).c_str(), &status) == 0;
}

std::vector<std::string> ModelFolder::names_ending_with(std::string_view ending) const {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(root_, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    const bool matches =
        name.size() >= ending.size() && name.compare(name.size() - ending.size(), ending.size(), ending) == 0;
    if (matches) names.push_back(name);
    if (names.size() == kMaxNames) break;
  }
  std::sort(names.begin(), names.end());
  return names;
}

OpenFile ModelFolder::open(const std::string& name) const {
  const std::string shown = path_of(name).string();
  if (name.empty() || name == "." || name == ".." ||
      name.find_first_of(std::string("/\\\0", 3)) != std::string::npos) {
    throw Error(Code::kCorrupt, folder_.string() + ": names the file \"" + name.substr(0, 120) +
                                    "\"; only plain names inside the folder are read");
  }
  if (!contains(name)) throw Error(Code::kNotFound, shown + ": no such file");
  std::error_code error;
  const fs::path real = fs::canonical(root_ / name, error);
  if (error) {
    throw Error(Code::kNotFound,
                shown + ": a link whose file is missing; the download is incomplete, fetch the model again");
  }
  const fs::path holder = real.parent_path();
  if (holder != root_ && (blobs_.empty() || holder != blobs_)) {
    throw Error(
        Code::kCorrupt,
        shown + ": a link that leads out of the model folder; put the file itself (or a hard link) there");
  }
  // Looked at before it is opened as well: opening a device can have effects of its own.
  if (!fs::is_regular_file(fs::symlink_status(real, error)))
    throw Error(Code::kCorrupt, shown + ": not a regular file");
  // O_NONBLOCK: opening a FIFO must not wait for its writer.
  OpenFile file{.fd = UniqueFd(::open(real.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW)),
                .path = shown};
  if (!file.fd) throw Error(Code::kIo, shown + ": " + errno_text(errno));
  struct stat status;
  if (::fstat(file.fd.get(), &status) != 0) throw Error(Code::kIo, shown + ": " + errno_text(errno));
  if (!S_ISREG(status.st_mode)) throw Error(Code::kCorrupt, shown + ": not a regular file");
  file.size_bytes = static_cast<std::uint64_t>(status.st_size);
  return file;
}

std::string ModelFolder::read_text(const std::string& name, std::size_t max_bytes) const {
  const OpenFile file = open(name);
  if (file.size_bytes > max_bytes) {
    throw Error(Code::kCorrupt, file.path.string() + ": " + format_bytes(file.size_bytes) + ", at most " +
                                    format_bytes(max_bytes) + " are read");
  }
  std::string text(file.size_bytes, '\0');
  read_exactly(file, 0, {reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
  return text;
}

void read_exactly(const OpenFile& file, std::uint64_t offset, std::span<std::uint8_t> out) {
  while (!out.empty()) {
    const ssize_t count = ::pread(file.fd.get(), out.data(), out.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw Error(Code::kIo, file.path.string() + ": " + errno_text(errno));
    if (count == 0) {
      throw Error(Code::kCorrupt, file.path.string() + ": ends at byte " + std::to_string(offset) +
                                      "; it has been cut since it was opened");
    }
    offset += static_cast<std::uint64_t>(count);
    out = out.subspan(static_cast<std::size_t>(count));
  }
}

}  // namespace tandem::checkpoint
