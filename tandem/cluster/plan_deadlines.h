// When a plan in flight has taken so long that a stage must be wedged: ten times the predicted time, and never before 120 s,
// so that a step which honestly computes for a minute is no loss.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace tandem::cluster {

/// Safe from any thread.
class PlanDeadlines {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::seconds kAtLeast{120};

  void submitted(std::uint64_t number, std::int64_t num_tokens, TimePoint now);
  void done(std::uint64_t number, TimePoint now);
  /// A generation is over, or a wedge has been dealt with.
  void clear();
  /// How long the oldest plan has been in flight, once that is too long.
  std::optional<std::chrono::nanoseconds> overdue(TimePoint now) const;
  /// A stage's step counter when its generation began; steps since then tell who is behind.
  void begin(const std::string& stage, std::uint64_t steps);
  std::uint64_t steps_at_begin(const std::string& stage) const;

 private:
  struct InFlight {
    std::uint64_t number = 0;
    std::int64_t num_tokens = 0;
    TimePoint at;
    std::chrono::nanoseconds limit{};
  };
  mutable std::mutex mutex_;
  std::deque<InFlight> in_flight_;
  double seconds_per_token_ = 0;      ///< the slowest seen
  std::map<std::string, std::uint64_t> steps_;
};

}  // namespace tandem::cluster
