// Time behind an interface, so that the scheduler, links and deadlines run in tests without waiting.
#pragma once

#include <chrono>

namespace tandem {

/// Steady time; never a wall clock, so nothing compares clocks of two machines.
class Clock {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  virtual ~Clock() = default;
  virtual TimePoint now() const = 0;
};

class SteadyClock : public Clock {
 public:
  TimePoint now() const override { return std::chrono::steady_clock::now(); }
};

/// A clock that stands still until told; for tests. Not thread-safe.
class FakeClock : public Clock {
 public:
  TimePoint now() const override { return now_; }
  void advance(std::chrono::nanoseconds by) { now_ += by; }

 private:
  TimePoint now_{};
};

/// Seconds of a duration as a plain number, for logs and wire formats that end in _s.
template <typename Rep, typename Period>
double to_seconds(std::chrono::duration<Rep, Period> duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace tandem
