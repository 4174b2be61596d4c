// SIGINT and SIGTERM as an event to wait for, instead of handlers that may do almost nothing.
#pragma once

#include <atomic>
#include <chrono>

namespace tandem::cli {

/// Blocks SIGINT and SIGTERM in this thread and every thread started after it. Make one before any other thread.
class StopSignals {
 public:
  StopSignals();
  /// Waits for one of them; 0 at the deadline.
  int wait_until(std::chrono::steady_clock::time_point deadline) const;
};

}  // namespace tandem::cli
