#include "tandem/cluster/program_path.h"

namespace tandem::cluster {

std::filesystem::path program_path() { return std::filesystem::read_symlink("/proc/self/exe"); }

}  // namespace tandem::cluster
