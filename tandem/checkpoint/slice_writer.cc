#include "tandem/checkpoint/slice_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <thread>
#include <unordered_map>

#include "tandem/base/error.h"
#include "tandem/base/strings.h"
#include "tandem/checkpoint/folder_lock.h"
#include "tandem/checkpoint/parallel.h"

namespace tandem::checkpoint {
namespace fs = std::filesystem;
namespace {

constexpr const char* kDataFile = "model.safetensors";
constexpr const char* kJournalFile = "pieces";
constexpr std::size_t kReadBytes = 1 << 20;

[[noreturn]] void fail(const fs::path& path, int error_number) {
  if (error_number == ENOSPC || error_number == EDQUOT) {
    throw Error(Code::kDoesNotFit,
                path.string() + ": the disk is full; free some space or point the cache elsewhere");
  }
  throw Error(Code::kIo, path.string() + ": " + errno_text(error_number));
}

UniqueFd open_for_writing(const fs::path& path) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) fail(path, errno);
  return fd;
}

void write_exactly(const fs::path& path, int fd, std::uint64_t offset, std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail(path, errno);
    offset += static_cast<std::uint64_t>(count);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

void set_size(const fs::path& path, int fd, std::uint64_t size) {
  if (::ftruncate(fd, static_cast<off_t>(size)) != 0) fail(path, errno);
}

std::uint64_t size_of(const fs::path& path, int fd) {
  struct stat status;
  if (::fstat(fd, &status) != 0) fail(path, errno);
  return static_cast<std::uint64_t>(status.st_size);
}

std::span<const std::uint8_t> as_bytes(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// Small files are synced at once; only the data wait for commit.
void write_text(const fs::path& path, const std::string& text) {
  const UniqueFd fd = open_for_writing(path);
  set_size(path, fd.get(), 0);
  write_exactly(path, fd.get(), 0, as_bytes(text));
  if (::fsync(fd.get()) != 0) fail(path, errno);
}

/// fsync on another thread; `wait` tells how it went.
class BackgroundSync {
 public:
  explicit BackgroundSync(int fd) : thread_([this, fd] { error_ = ::fsync(fd) == 0 ? 0 : errno; }) {}
  ~BackgroundSync() {
    if (thread_.joinable()) thread_.join();
  }
  BackgroundSync(const BackgroundSync&) = delete;
  BackgroundSync& operator=(const BackgroundSync&) = delete;
  int wait() {
    thread_.join();
    return error_;
  }

 private:
  int error_ = 0;
  std::thread thread_;
};

}  // namespace

std::vector<TensorInfo> write_safetensors_header(const fs::path& file, std::vector<TensorInfo> tensors) {
  PackedLayout layout = pack(std::move(tensors));
  const UniqueFd fd = open_for_writing(file);
  set_size(file, fd.get(), 0);
  write_exactly(file, fd.get(), 0, as_bytes(layout.header));
  set_size(file, fd.get(), layout.file_bytes());
  return std::move(layout.tensors);
}

SliceWriter::Impl::Impl(fs::path partial, fs::path target, UniqueFd lock, SliceManifest manifest)
    : partial_(std::move(partial)),
      target_(std::move(target)),
      lock_(std::move(lock)),
      manifest_(std::move(manifest)),
      layout_(pack(manifest_.tensors)) {
  std::unordered_map<std::string_view, const Digest*> hash_of;
  for (std::size_t i = 0; i < manifest_.tensors.size(); ++i)
    hash_of[manifest_.tensors[i].name] = &manifest_.hashes[i];
  for (const TensorInfo& tensor : layout_.tensors) hashes_.push_back(*hash_of.at(tensor.name));
  data_.path = partial_ / kDataFile;
  data_.fd = open_for_writing(data_.path);
  data_.size_bytes = layout_.file_bytes();
  journal_ = open_for_writing(partial_ / kJournalFile);
  present_.assign(count_pieces(layout_.data_bytes), 0);
  if (!resume()) start_anew();
  write_text(partial_ / "config.json", manifest_.config);
  if (!manifest_.generation_config.empty()) {
    write_text(partial_ / "generation_config.json", manifest_.generation_config);
  }
}

bool SliceWriter::Impl::resume() {
  const fs::path journal = partial_ / kJournalFile;
  if (size_of(data_.path, data_.fd.get()) != data_.size_bytes ||
      size_of(journal, journal_.get()) != present_.size()) {
    return false;
  }
  std::string header(layout_.header.size(), '\0');
  read_exactly(data_, 0, {reinterpret_cast<std::uint8_t*>(header.data()), header.size()});
  if (header != layout_.header) return false;
  std::size_t done = 0;
  while (done < present_.size()) {
    const ssize_t count =
        ::pread(journal_.get(), &present_[done], present_.size() - done, static_cast<off_t>(done));
    if (count <= 0) fail(journal, count == 0 ? EIO : errno);
    done += static_cast<std::size_t>(count);
  }
  return true;
}

void SliceWriter::Impl::start_anew() {
  const fs::path journal = partial_ / kJournalFile;
  // The journal first: no byte of it may speak of data that are gone.
  set_size(journal, journal_.get(), 0);
  set_size(data_.path, data_.fd.get(), 0);
  write_exactly(data_.path, data_.fd.get(), 0, as_bytes(layout_.header));
  set_size(data_.path, data_.fd.get(), data_.size_bytes);
  set_size(journal, journal_.get(), present_.size());
}

std::vector<std::uint32_t> SliceWriter::Impl::missing_pieces() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::uint32_t> missing;
  for (std::uint32_t i = 0; i < present_.size(); ++i) {
    if (present_[i] != 1) missing.push_back(i);
  }
  return missing;
}

void SliceWriter::Impl::write_piece(std::uint32_t index, std::span<const std::uint8_t> bytes,
                                    const Digest& promised) {
  const std::string name =
      "slice " + target_.filename().string().substr(0, 12) + ": piece " + std::to_string(index);
  if (index >= present_.size() || bytes.size() != piece_size(layout_.data_bytes, index)) {
    throw Error(Code::kCorrupt, name + " of " + std::to_string(present_.size()) + " has " +
                                    std::to_string(bytes.size()) + " bytes");
  }
  if (sha256(bytes) != promised)
    throw Error(Code::kCorrupt, name + ": its bytes are not those of its SHA-256; send it again");
  {
    const std::lock_guard lock(mutex_);
    if (present_[index] == 1) return;
  }
  write_exactly(data_.path, data_.fd.get(), layout_.header.size() + index * kPieceBytes, bytes);
  mark(index, /*is_present=*/true);
}

void SliceWriter::Impl::mark(std::uint32_t index, bool is_present) {
  const std::uint8_t value = is_present ? 1 : 0;
  const std::lock_guard lock(mutex_);
  write_exactly(partial_ / kJournalFile, journal_.get(), index, {&value, 1});
  present_[index] = value;
}

void SliceWriter::Impl::prove_tensors() {
  std::vector<std::uint8_t> is_wrong(layout_.tensors.size(), 0);
  in_parallel(layout_.tensors.size(), [&] {
    return [&, buffer = std::vector<std::uint8_t>(kReadBytes)](std::size_t n) mutable {
      const TensorInfo& tensor = layout_.tensors[n];
      Sha256 hash;
      for (std::uint64_t done = 0; done < tensor.size_bytes; done += buffer.size()) {
        const std::span<std::uint8_t> part(buffer.data(),
                                           std::min<std::uint64_t>(buffer.size(), tensor.size_bytes - done));
        read_exactly(data_, tensor.offset + done, part);
        hash.update(part);
      }
      is_wrong[n] = hash.finish() != hashes_[n];
    };
  });
  std::string first_wrong;
  for (std::size_t n = 0; n < is_wrong.size(); ++n) {
    const TensorInfo& tensor = layout_.tensors[n];
    if (is_wrong[n] == 0) continue;
    if (first_wrong.empty()) first_wrong = tensor.name;
    const std::uint64_t begin = tensor.offset - layout_.header.size(), end = begin + tensor.size_bytes;
    for (std::uint64_t piece = begin / kPieceBytes; piece * kPieceBytes < end; ++piece) {
      mark(static_cast<std::uint32_t>(piece), /*is_present=*/false);
    }
  }
  if (first_wrong.empty()) return;
  throw Error(Code::kCorrupt,
              data_.path.string() + ": tensor " + first_wrong +
                  ": its bytes are not those that its hash promised; its pieces must be sent again");
}

SliceEntry SliceWriter::Impl::take_existing() {
  auto lock = try_lock(target_, LockKind::kShared);
  if (!lock)
    throw Error(Code::kUnavailable, target_.string() + ": is being removed by another tandem; try again");
  std::error_code ignored;
  fs::remove_all(partial_, ignored);
  return SliceEntry(target_, std::move(*lock));
}

SliceEntry SliceWriter::Impl::commit() {
  if (const std::size_t missing = missing_pieces().size(); missing > 0) {
    throw Error(Code::kUnavailable, data_.path.string() + ": " + std::to_string(missing) + " of " +
                                        std::to_string(present_.size()) + " pieces are missing");
  }
  // Hashing reads what is still in memory while the disk takes it.
  BackgroundSync sync(data_.fd.get());
  prove_tensors();
  if (const int error = sync.wait(); error != 0) fail(data_.path, error);
  sync_folder(partial_);
  if (::rename(partial_.c_str(), target_.c_str()) != 0) {
    if (errno != ENOTEMPTY && errno != EEXIST) fail(target_, errno);
    return take_existing();
  }
  // Only now: a journal beside complete data does no harm, data without a journal would be fetched again.
  std::error_code ignored;
  fs::remove(target_ / kJournalFile, ignored);
  sync_folder(target_.parent_path());
  make_shared(lock_);
  return SliceEntry(target_, std::move(lock_));
}

SliceWriter::SliceWriter(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SliceWriter::~SliceWriter() = default;
SliceWriter::SliceWriter(SliceWriter&&) noexcept = default;

std::uint32_t SliceWriter::num_pieces() const { return count_pieces(impl_->data_bytes()); }
std::uint64_t SliceWriter::piece_bytes(std::uint32_t index) const {
  return piece_size(impl_->data_bytes(), index);
}
std::uint64_t SliceWriter::data_bytes() const { return impl_->data_bytes(); }
std::vector<std::uint32_t> SliceWriter::missing_pieces() const { return impl_->missing_pieces(); }
void SliceWriter::write_piece(std::uint32_t index, std::span<const std::uint8_t> bytes,
                              const Digest& sha256) {
  impl_->write_piece(index, bytes, sha256);
}
SliceEntry SliceWriter::commit() { return impl_->commit(); }

}  // namespace tandem::checkpoint
