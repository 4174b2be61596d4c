// Lines for people on stderr, which the agent forwards to the head. Not base/log.h: libtorch's
// include path has a newer fmt than the one that the system's spdlog was built with.
#pragma once

#include <string>

namespace tandem::stage {

/// One whole line, written at once; any thread. `level`: "info", "warning" or "error".
void log_line(const char* level, const std::string& text);

}  // namespace tandem::stage
