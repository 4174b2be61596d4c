// Logging for every room: spdlog to stderr, data stays on stdout. Programs call `setup_log` once, before threads start.
#pragma once

#include <spdlog/spdlog.h>

#include <string>

namespace tandem::log {

using spdlog::debug;
using spdlog::error;
using spdlog::info;
using spdlog::warn;

struct Options {
  std::string level = "info";     ///< trace, debug, info, warn, error
  std::string format = "text";    ///< text or json (one object a line)
  std::string file;               ///< also written here; empty: stderr only
};

/// Directs the log to stderr (colour only on a terminal without NO_COLOR) and to `file`. Throws Error on an unknown
/// level or format, or a file that cannot be opened.
void setup(const Options& options);

}  // namespace tandem::log
