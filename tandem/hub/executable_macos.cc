#include <mach-o/dyld.h>

#include <cstdint>

#include "tandem/base/error.h"
#include "tandem/hub/hub.h"

namespace tandem::hub {

std::filesystem::path executable_path() {
  std::uint32_t size = 0;
  _NSGetExecutablePath(nullptr, &size);
  std::string path(size, '\0');
  std::error_code error;
  std::filesystem::path real;
  if (_NSGetExecutablePath(path.data(), &size) == 0) real = std::filesystem::canonical(path.c_str(), error);
  if (error || real.empty()) throw Error(Code::kIo, "the running program's path is not known");
  return real;
}

}  // namespace tandem::hub
