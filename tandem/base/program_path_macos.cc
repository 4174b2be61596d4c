#include <mach-o/dyld.h>

#include <string>

#include "tandem/base/program_path.h"

namespace tandem {

std::filesystem::path program_path() {
  std::uint32_t size = 0;
  _NSGetExecutablePath(nullptr, &size);
  std::string path(size, '\0');
  _NSGetExecutablePath(path.data(), &size);
  return std::filesystem::canonical(path.c_str());
}

}  // namespace tandem
