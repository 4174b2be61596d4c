// `tandem join`, and what `serve` does on ranks above 0 of a launcher.
#pragma once

#include "tandem/cli/machine_options.h"

namespace tandem::cli {

/// Joins MASTER_ADDR:MASTER_PORT and asks for rank RANK. Throws Error{kInvalidArgument} when MASTER_ADDR is not set.
int join_launcher(const LauncherEnvironment& launcher, const MachineOptions& options);

}  // namespace tandem::cli
