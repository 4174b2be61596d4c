// A stage process's life: its link to the head, the threads around the stage, and when all of it
// ends.
#pragma once

#include "tandem/stage/stage_options.h"

namespace tandem::stage {

enum ExitCode : int {
  kExitParentGone = 0,  ///< stdin ended
  kExitFailure = 1,     ///< a defect, or a system that refuses what every stage needs
  kExitBadOptions = 2,  ///< the line on stdin
  kExitHeadLost = 3,    ///< the link broke, or the head was silent for 3 s
  kExitRefused = 4,     ///< wrong secret, other version, or the head does not want this stage
};

/// Connects to the head and obeys it. Ends the process itself, from whatever thread first knows
/// that it must: the main thread may be deep in a step, and nothing here outlives the process.
[[noreturn]] void serve_head(const StageOptions& options);

/// Ends the process when `fd` reaches its end: the process that started this one has died.
void end_with(int fd);

}  // namespace tandem::stage
