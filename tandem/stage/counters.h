// Where this stage's time has gone since it started; added to by the step loop, read by the
// heartbeat's thread.
#pragma once

#include <mutex>

#include "tandem/link/messages.h"
#include "tandem/step/step_plan.h"

namespace tandem::stage {

class Counters {
 public:
  /// One step of `num_tokens` rows is done.
  void add(const step::StageTiming& timing, std::int64_t num_tokens) {
    std::lock_guard lock(mutex_);
    ++counters_.steps;
    counters_.tokens += static_cast<std::uint64_t>(num_tokens);
    counters_.compute_s += static_cast<double>(timing.compute_us) * 1e-6;
    counters_.wait_s += static_cast<double>(timing.wait_us) * 1e-6;
    counters_.wire_s += static_cast<double>(timing.wire_us) * 1e-6;
    counters_.wire_bytes += timing.wire_bytes;
  }
  link::StageCounters snapshot() const {
    std::lock_guard lock(mutex_);
    return counters_;
  }

 private:
  mutable std::mutex mutex_;
  link::StageCounters counters_;
};

}  // namespace tandem::stage
