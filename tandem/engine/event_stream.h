// The events of one request on their way from the engine's thread to whoever holds its Ticket.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>

#include "tandem/engine/engine.h"

namespace tandem::engine {

/// A queue of TokenEvents that knows how many choices are still open. Safe from any thread.
class EventStream {
 public:
  explicit EventStream(std::int32_t num_choices) : open_choices_(num_choices) {}

  /// Called by the engine; one call a step, so that a reader is woken once.
  void push(std::vector<TokenEvent> events);
  /// A choice ended without an event: its reader cancelled it.
  void close_choice();
  std::optional<TokenEvent> try_next();
  std::optional<TokenEvent> next(std::chrono::steady_clock::time_point deadline);
  bool is_done() const;
  void set_waker(std::function<void()> waker);
  void update_stats(const std::function<void(RequestStats&)>& update);
  RequestStats stats() const;

 private:
  std::optional<TokenEvent> take();
  void wake();

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<TokenEvent> events_;
  std::int32_t open_choices_;
  RequestStats stats_;
  // Its own mutex: the waker may take locks that its caller holds while it asks for events.
  std::mutex waker_mutex_;
  std::function<void()> waker_;
};

}  // namespace tandem::engine
