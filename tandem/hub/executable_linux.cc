#include "tandem/base/error.h"
#include "tandem/hub/hub.h"

namespace tandem::hub {

std::filesystem::path executable_path() {
  std::error_code error;
  const auto path = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) throw Error(Code::kIo, "the running program's path is not known (/proc/self/exe): " + error.message());
  return path;
}

}  // namespace tandem::hub
