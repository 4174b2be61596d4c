#include "tandem/stage/stderr_log.h"

#include <algorithm>
#include <cstdio>

namespace tandem::stage {

void log_line(const char* level, const std::string& text) {
  std::string line = std::string(level) + ": " + text;
  std::replace(line.begin(), line.end(), '\n', ' ');
  line.push_back('\n');
  std::fwrite(line.data(), 1, line.size(), stderr);
  std::fflush(stderr);
}

}  // namespace tandem::stage
