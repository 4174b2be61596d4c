// Where the running program lies; what belongs to it is found beside it. One implementation a system.
#pragma once

#include <filesystem>

namespace tandem {

/// The absolute path of the running executable, symlinks resolved.
std::filesystem::path program_path();

}  // namespace tandem
