#include "tandem/link/heartbeat.h"

#include <algorithm>

#include "tandem/base/error.h"

namespace tandem::link {
namespace {

// After a beat that found the link busy sending something else.
constexpr std::chrono::milliseconds kRetry{20};

}  // namespace

bool SilenceWatch::check(TimePoint now) {
  if (is_silent_) return false;
  if (now - last_check_ > limit_ / 2) last_received_ = std::max(last_received_, now - limit_ / 2);
  last_check_ = now;
  is_silent_ = now - last_received_ >= limit_;
  return is_silent_;
}

Heartbeat::Heartbeat(Link& link, HeartbeatOptions options)
    : link_(link), options_(std::move(options)), watch_(options_.silence, std::chrono::steady_clock::now()) {
  if (options_.silence < 2 * options_.interval || options_.interval.count() <= 0) {
    throw Error(Code::kInvalidArgument, "heartbeat: the silence must be at least twice the interval");
  }
  thread_ = std::thread([this] { run(); });
}

Heartbeat::~Heartbeat() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_one();
  }
  thread_.join();
}

void Heartbeat::note_received() {
  const std::lock_guard lock(mutex_);
  watch_.note_received(std::chrono::steady_clock::now());
}

std::chrono::milliseconds Heartbeat::since_received() const {
  const std::lock_guard lock(mutex_);
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                               watch_.last_received());
}

bool Heartbeat::is_silent() const {
  const std::lock_guard lock(mutex_);
  return watch_.is_silent();
}

void Heartbeat::run() {
  auto next_beat = std::chrono::steady_clock::now();
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const auto now = std::chrono::steady_clock::now();
    const bool fell_silent = watch_.check(now);
    lock.unlock();
    if (fell_silent && options_.on_silent) options_.on_silent();
    try {
      if (now >= next_beat) {
        const bool sent = link_.try_send(options_.type, options_.payload ? options_.payload() : Bytes{});
        next_beat = now + (sent ? options_.interval : kRetry);
      }
    } catch (const Error&) {
      return;  // the link is down, and its receiver is told why
    }
    lock.lock();
    wake_.wait_until(lock, std::min(next_beat, watch_.due()), [this] { return stopping_; });
  }
}

}  // namespace tandem::link
