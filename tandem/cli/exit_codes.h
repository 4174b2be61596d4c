// Exit codes of every verb, as documented in docs/errors.md.
#pragma once

#include "tandem/base/error.h"

namespace tandem::cli {

inline constexpr int kOk = 0, kFailure = 1, kUsage = 2, kModelNotFound = 3, kClusterTrouble = 4, kDoesNotFit = 5, kInterrupted = 130;

/// 2 for bad input, 3 for a missing model, 4 for secrets, versions and machines, 5 for memory or disk, else 1.
int exit_code(Code code);

}  // namespace tandem::cli
