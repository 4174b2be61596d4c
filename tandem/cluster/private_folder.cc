#include "tandem/cluster/private_folder.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>

#include "tandem/base/error.h"

namespace tandem::cluster {

PrivateFolder::PrivateFolder() {
  const char* base = std::getenv("TMPDIR");
  std::string pattern = std::string(base != nullptr && *base != '\0' ? base : "/tmp") + "/tandem-XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) throw Error(Code::kIo, "cannot make a folder " + pattern + ": " + errno_text(errno));
  path_ = pattern;
}

PrivateFolder::~PrivateFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace tandem::cluster
