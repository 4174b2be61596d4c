#include "tandem/engine/event_stream.h"

#include <utility>

namespace tandem::engine {

void EventStream::push(std::vector<TokenEvent> events) {
  {
    std::lock_guard lock(mutex_);
    for (TokenEvent& event : events) {
      if (event.finish) --open_choices_;
      events_.push_back(std::move(event));
    }
    changed_.notify_all();
  }
  wake();
}

void EventStream::close_choice() {
  {
    std::lock_guard lock(mutex_);
    --open_choices_;
    changed_.notify_all();
  }
  wake();
}

std::optional<TokenEvent> EventStream::try_next() {
  std::lock_guard lock(mutex_);
  return take();
}

std::optional<TokenEvent> EventStream::next(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, deadline, [&] { return !events_.empty() || open_choices_ == 0; });
  return take();
}

bool EventStream::is_done() const {
  std::lock_guard lock(mutex_);
  return events_.empty() && open_choices_ == 0;
}

void EventStream::set_waker(std::function<void()> waker) {
  {
    std::lock_guard lock(waker_mutex_);
    waker_ = std::move(waker);
  }
  bool is_waiting;
  {
    std::lock_guard lock(mutex_);
    is_waiting = !events_.empty() || open_choices_ == 0;
  }
  if (is_waiting) wake();
}

void EventStream::update_stats(const std::function<void(RequestStats&)>& update) {
  std::lock_guard lock(mutex_);
  update(stats_);
}

RequestStats EventStream::stats() const {
  std::lock_guard lock(mutex_);
  return stats_;
}

std::optional<TokenEvent> EventStream::take() {
  if (events_.empty()) return std::nullopt;
  std::optional<TokenEvent> event(std::move(events_.front()));
  events_.pop_front();
  return event;
}

void EventStream::wake() {
  std::lock_guard lock(waker_mutex_);
  if (waker_) waker_();
}

}  // namespace tandem::engine
