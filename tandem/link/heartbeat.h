// Tells a peer that is stopped, hung or cut off from one that computes: frames on a thread of its own, whatever the rest
// of the process does. Head, agents and stages run one per control link.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "tandem/link/link.h"

namespace tandem::link {

/// When a peer counts as silent. Plain state, fed with times; not thread-safe.
class SilenceWatch {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  SilenceWatch(std::chrono::milliseconds limit, TimePoint start)
      : limit_(limit), last_received_(start), last_check_(start) {}

  void note_received(TimePoint now) { last_received_ = now; }
  /// True once, when nothing was received for the limit. When this process itself stood still since the last check (it
  /// was stopped, or its machine slept), the peer gets half the limit anew: its frames may be waiting unread.
  bool check(TimePoint now);
  /// When `check` could next turn true.
  TimePoint due() const { return is_silent_ ? TimePoint::max() : last_received_ + limit_; }
  TimePoint last_received() const { return last_received_; }
  bool is_silent() const { return is_silent_; }

 private:
  std::chrono::milliseconds limit_;
  TimePoint last_received_, last_check_;
  bool is_silent_ = false;
};

struct HeartbeatOptions {
  std::chrono::milliseconds interval{500};
  std::chrono::milliseconds silence{3000};  ///< at least twice the interval
  std::uint8_t type = 1;                    ///< of the frames
  std::function<Bytes()> payload;           ///< of the next beat; called on the heartbeat's thread; small
  std::function<void()> on_silent;          ///< called once, on the heartbeat's thread; must not destroy the Heartbeat
};

/// Beats from construction to destruction. It ends by itself when the link goes down, which whoever receives on the link is
/// told there.
class Heartbeat {
 public:
  /// `link` outlives this object.
  Heartbeat(Link& link, HeartbeatOptions options);
  ~Heartbeat();
  Heartbeat(const Heartbeat&) = delete;
  Heartbeat& operator=(const Heartbeat&) = delete;

  /// Any frame from the peer is a sign of life. Safe from any thread.
  void note_received();
  /// Time since the last sign of life.
  std::chrono::milliseconds since_received() const;
  bool is_silent() const;

 private:
  void run();

  Link& link_;
  const HeartbeatOptions options_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  SilenceWatch watch_;      ///< this and the next under mutex_
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace tandem::link
