#include "tandem/base/program_path.h"

namespace tandem {

std::filesystem::path program_path() { return std::filesystem::read_symlink("/proc/self/exe"); }

}  // namespace tandem
