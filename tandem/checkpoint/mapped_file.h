// A read-only mapping of a whole file. Called by Checkpoint.
#pragma once

#include <cstdint>
#include <span>

#include "tandem/checkpoint/checkpoint.h"
#include "tandem/checkpoint/model_folder.h"

namespace tandem::checkpoint {

/// Maps on construction, touches nothing. Move-only.
class MappedFile {
 public:
  /// Throws Error{kIo}.
  explicit MappedFile(OpenFile file);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&&) = delete;
  ~MappedFile();

  const OpenFile& file() const { return file_; }
  /// As it is now; throws Error{kIo}.
  FileIdentity identity() const;
  /// [offset, offset + size) must lie in the file as it was opened. Throws Error{kCorrupt} when the file has
  /// become shorter: touching a page behind its end would raise SIGBUS.
  std::span<const std::uint8_t> bytes(std::uint64_t offset, std::uint64_t size) const;
  /// Gives back the whole pages of a part; they are read again when touched.
  void release(std::uint64_t offset, std::uint64_t size) const;

 private:
  OpenFile file_;
  const std::uint8_t* data_ = nullptr;
};

}  // namespace tandem::checkpoint
