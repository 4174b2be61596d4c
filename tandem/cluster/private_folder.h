// A folder that only this process's user can enter, for the socket of local agents and stages.
#pragma once

#include <filesystem>

namespace tandem::cluster {

/// Made under $TMPDIR, removed with everything in it.
class PrivateFolder {
 public:
  /// Throws Error{kIo}.
  PrivateFolder();
  ~PrivateFolder();
  PrivateFolder(const PrivateFolder&) = delete;
  PrivateFolder& operator=(const PrivateFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace tandem::cluster
