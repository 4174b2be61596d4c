#include "tandem/engine/engine.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <utility>

#include "tandem/base/error.h"
#include "tandem/base/log.h"
#include "tandem/engine/event_stream.h"
#include "tandem/engine/scheduler.h"

namespace tandem::engine {
namespace {

struct Cancellation {
  std::uint64_t request = 0;
  std::int32_t choice = -1;
};

struct Submission {
  std::uint64_t request = 0;
  std::vector<std::unique_ptr<Sequence>> sequences;
  std::shared_ptr<EventStream> stream;
};

// What tickets and the engine share. Tickets may outlive the engine: then `runner` is null and nothing is sent any more.
struct Mailbox {
  std::mutex mutex;
  step::StepRunner* runner = nullptr;
  std::deque<Submission> submissions;
  std::deque<Cancellation> cancellations;

  void cancel(Cancellation cancellation) {
    std::lock_guard lock(mutex);
    if (runner == nullptr) return;
    cancellations.push_back(cancellation);
    runner->interrupt();
  }
};

}  // namespace

class Ticket::Impl {
 public:
  Impl(std::uint64_t request, std::shared_ptr<EventStream> stream, std::shared_ptr<Mailbox> mailbox)
      : request_(request), stream_(std::move(stream)), mailbox_(std::move(mailbox)) {}
  ~Impl() {
    stream_->set_waker(nullptr);
    if (!stream_->is_done()) cancel(-1);
  }
  EventStream& stream() { return *stream_; }
  void cancel(std::int32_t choice) { mailbox_->cancel({request_, choice}); }

 private:
  std::uint64_t request_;
  std::shared_ptr<EventStream> stream_;
  std::shared_ptr<Mailbox> mailbox_;
};

Ticket::Ticket(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
std::optional<TokenEvent> Ticket::try_next() const { return impl_->stream().try_next(); }
std::optional<TokenEvent> Ticket::next(std::chrono::steady_clock::time_point deadline) const {
  return impl_->stream().next(deadline);
}
bool Ticket::is_done() const { return impl_->stream().is_done(); }
void Ticket::set_waker(std::function<void()> waker) const { impl_->stream().set_waker(std::move(waker)); }
void Ticket::cancel(std::int32_t choice) const { impl_->cancel(choice); }
RequestStats Ticket::stats() const { return impl_->stream().stats(); }

class Engine::Impl {
 public:
  Impl(step::StepRunner& runner, EngineOptions options, const Clock& clock)
      : runner_(runner),
        options_(options),
        clock_(clock),
        mailbox_(std::make_shared<Mailbox>()),
        scheduler_({options.max_num_seqs, options.max_step_tokens, options.prefill_target}) {
    mailbox_->runner = &runner_;
    thread_ = std::thread([this] { loop(); });
  }

  ~Impl() {
    stopping_ = true;
    runner_.interrupt();
    thread_.join();
    std::lock_guard lock(mailbox_->mutex);
    mailbox_->runner = nullptr;
  }

  Ticket submit(GenerationRequest request);
  void drain(std::chrono::milliseconds deadline);
  step::RunnerInfo info() const { return runner_.info(); }
  EngineStats stats() const {
    std::lock_guard lock(stats_mutex_);
    return stats_;
  }

 private:
  // One request that is accepted and not over. Lives on the engine's thread.
  struct Request {
    std::shared_ptr<EventStream> stream;
    std::int32_t num_choices = 0, open_choices = 0;
    bool was_cancelled = false;
  };
  struct Submitted {
    std::uint64_t number;
    std::chrono::steady_clock::time_point at;
  };

  void validate(const GenerationRequest& request, const step::RunnerInfo& info) const;
  void loop();
  void run_once();
  void take_mail();
  void follow_generation();
  void submit_plans();
  void note_scheduled(step::SequenceId sequence, Clock::TimePoint now);
  void handle(const step::StepOutcome& outcome);
  void deliver(std::vector<SequenceEvent> events);
  void cancel(const Cancellation& cancellation);
  void end_choice(std::uint64_t request, bool is_error);
  void fail_all(const std::string& reason);
  void publish_stats();
  template <typename F>
  void count(F update) {
    std::lock_guard lock(stats_mutex_);
    update(stats_);
  }

  step::StepRunner& runner_;
  const EngineOptions options_;
  const Clock& clock_;
  std::shared_ptr<Mailbox> mailbox_;
  std::atomic<bool> stopping_ = false, draining_ = false, must_end_all_ = false;
  std::atomic<std::uint64_t> next_request_ = 1;
  std::atomic<std::int32_t> num_queued_ = 0;   // accepted, none of its sequences running yet

  Scheduler scheduler_;
  std::optional<std::uint64_t> generation_;    // what the scheduler plans for; nullopt: between generations
  std::unordered_map<std::uint64_t, Request> requests_;
  std::deque<Submitted> in_flight_;

  mutable std::mutex stats_mutex_;
  std::condition_variable stats_changed_;
  EngineStats stats_;
  std::thread thread_;
};

void Engine::Impl::validate(const GenerationRequest& request, const step::RunnerInfo& info) const {
  if (request.prompt.empty()) throw Error(Code::kInvalidArgument, "the prompt is empty");
  if (request.n < 1) throw Error(Code::kInvalidArgument, "n must be at least 1");
  for (const TokenId id : request.prompt) {
    if (id < 0 || (options_.vocab_size > 0 && id >= options_.vocab_size)) {
      throw Error(Code::kInvalidArgument, "token id " + std::to_string(id) + " is outside the vocabulary of " +
                                              std::to_string(options_.vocab_size));
    }
  }
  const auto length = static_cast<std::int64_t>(request.prompt.size());
  const std::int64_t capacity = static_cast<std::int64_t>(info.num_blocks) * info.block_size;
  if (length >= info.max_model_len) {
    throw Error(Code::kInvalidArgument, "This model's maximum context length is " + std::to_string(info.max_model_len) +
                                            " tokens. However, your request has " + std::to_string(length) + " tokens");
  }
  if (length >= capacity) {
    throw Error(Code::kInvalidArgument, "the prompt has " + std::to_string(length) + " tokens, and the KV memory holds " +
                                            std::to_string(capacity) + " in all: shorten it or raise --memory");
  }
}

Ticket Engine::Impl::submit(GenerationRequest request) {
  const step::RunnerInfo info = runner_.info();
  if (draining_) throw Error(Code::kUnavailable, "the server is shutting down");
  if (info.state != step::RunnerInfo::State::kReady) {
    throw Error(Code::kUnavailable, info.reason.empty() ? "the model is loading" : info.reason);
  }
  validate(request, info);
  const std::int64_t capacity = static_cast<std::int64_t>(info.num_blocks) * info.block_size;
  const auto limit = static_cast<std::int32_t>(std::min<std::int64_t>(info.max_model_len, capacity));
  const auto prompt_len = static_cast<std::int32_t>(request.prompt.size());

  Submission submission{.request = next_request_++, .stream = std::make_shared<EventStream>(request.n)};
  for (std::int32_t choice = 0; choice < request.n; ++choice) {
    auto sequence = std::make_unique<Sequence>();
    sequence->request = submission.request;
    sequence->choice = choice;
    sequence->sampling = request.sampling;
    sequence->sampling.choice = choice;
    sequence->ids = request.prompt;
    sequence->num_prompt_ids = prompt_len;
    sequence->max_len = request.max_tokens < 0 ? limit : std::min(limit - prompt_len, request.max_tokens) + prompt_len;
    sequence->end_ids = request.end_ids;
    sequence->stop_token_ids = request.stop_token_ids;
    submission.sequences.push_back(std::move(sequence));
  }
  submission.stream->update_stats([&](RequestStats& stats) {
    stats.submitted = clock_.now();
    stats.num_prompt_tokens = prompt_len;
  });
  Ticket ticket(std::make_shared<Ticket::Impl>(submission.request, submission.stream, mailbox_));

  std::lock_guard lock(mailbox_->mutex);
  const auto waiting = num_queued_.load() + static_cast<std::int32_t>(mailbox_->submissions.size());
  if (waiting >= options_.max_queue) {
    throw Error(Code::kResourceExhausted,
                "the queue is full: " + std::to_string(waiting) + " requests wait; try again in a moment");
  }
  count([&](EngineStats& stats) {
    ++stats.accepted;
    stats.prompt_tokens += static_cast<std::uint64_t>(prompt_len);
  });
  mailbox_->submissions.push_back(std::move(submission));
  runner_.interrupt();
  return ticket;
}

void Engine::Impl::drain(std::chrono::milliseconds deadline) {
  draining_ = true;
  const auto until = std::chrono::steady_clock::now() + deadline;
  std::unique_lock lock(stats_mutex_);
  const auto all_ended = [&] { return stats_.accepted == stats_.completed + stats_.errored + stats_.cancelled; };
  if (stats_changed_.wait_until(lock, until, all_ended)) return;
  // What is left hears why on the engine's own thread, while its connections are still there.
  must_end_all_ = true;
  runner_.interrupt();
  stats_changed_.wait_until(lock, std::chrono::steady_clock::now() + std::chrono::seconds(1), all_ended);
}

void Engine::Impl::loop() {
  while (!stopping_) {
    try {
      run_once();
    } catch (const std::exception& e) {
      // The engine's wall: whatever went wrong ends the requests that it touched, never the server.
      log::error("engine: {}", e.what());
      in_flight_.clear();
      generation_.reset();
      fail_all(std::string("internal error: ") + e.what());
    }
  }
  take_mail();
  fail_all("the server is shutting down");
}

void Engine::Impl::run_once() {
  take_mail();
  if (must_end_all_) fail_all("the server is shutting down");
  follow_generation();
  submit_plans();
  publish_stats();
  if (const auto outcome = runner_.wait()) handle(*outcome);
}

void Engine::Impl::take_mail() {
  std::deque<Submission> submissions;
  std::deque<Cancellation> cancellations;
  {
    std::lock_guard lock(mailbox_->mutex);
    submissions.swap(mailbox_->submissions);
    cancellations.swap(mailbox_->cancellations);
  }
  for (Submission& submission : submissions) {
    const auto num_choices = static_cast<std::int32_t>(submission.sequences.size());
    requests_[submission.request] = {submission.stream, num_choices, num_choices};
    for (auto& sequence : submission.sequences) scheduler_.add(std::move(sequence));
  }
  for (const Cancellation& cancellation : cancellations) cancel(cancellation);
}

void Engine::Impl::follow_generation() {
  const step::RunnerInfo info = runner_.info();
  if (info.state != step::RunnerInfo::State::kReady || generation_ == info.generation) return;
  generation_ = info.generation;
  in_flight_.clear();
  scheduler_.begin_generation(info);
}

void Engine::Impl::submit_plans() {
  while (generation_ && static_cast<int>(in_flight_.size()) < runner_.depth()) {
    const auto plan = scheduler_.schedule();
    if (!plan) return;
    const auto now = clock_.now();
    in_flight_.push_back({plan->number, now});
    for (const step::OpenSequence& open : plan->open) note_scheduled(open.sequence, now);
    runner_.submit(*plan);
  }
}

// The queue's time ends with the first plan that has a row of the request; a preempted one keeps its first moment.
void Engine::Impl::note_scheduled(step::SequenceId sequence, Clock::TimePoint now) {
  const auto request = scheduler_.request_of(sequence);
  const auto it = request ? requests_.find(*request) : requests_.end();
  if (it == requests_.end()) return;
  it->second.stream->update_stats([&](RequestStats& stats) {
    if (stats.first_scheduled == Clock::TimePoint{}) stats.first_scheduled = now;
  });
}

void Engine::Impl::handle(const step::StepOutcome& outcome) {
  if (const auto* ended = std::get_if<step::GenerationEnded>(&outcome)) {
    if (generation_ && ended->generation < *generation_) return;
    generation_.reset();
    in_flight_.clear();
    fail_all(ended->reason);
    return;
  }
  const auto& result = std::get<step::StepResult>(outcome);
  if (!generation_ || result.generation != *generation_ || in_flight_.empty()) return;
  const auto elapsed = clock_.now() - in_flight_.front().at;
  in_flight_.pop_front();
  deliver(scheduler_.apply(result, elapsed));
}

void Engine::Impl::deliver(std::vector<SequenceEvent> events) {
  std::map<std::uint64_t, std::vector<TokenEvent>> by_request;
  for (SequenceEvent& event : events) by_request[event.request].push_back(std::move(event.event));
  const auto now = clock_.now();
  for (auto& [number, token_events] : by_request) {
    const auto it = requests_.find(number);
    if (it == requests_.end()) continue;
    const auto stream = it->second.stream;
    const auto num_tokens = static_cast<std::int32_t>(token_events.size());
    stream->update_stats([&](RequestStats& stats) {
      if (stats.num_output_tokens == 0) stats.first_token = now;
      stats.last_token = now;
      stats.num_output_tokens += num_tokens;
    });
    count([&](EngineStats& stats) { stats.output_tokens += static_cast<std::uint64_t>(num_tokens); });
    for (const TokenEvent& event : token_events) {
      if (event.finish) end_choice(number, /*is_error=*/false);
    }
    stream->push(std::move(token_events));
  }
}

void Engine::Impl::cancel(const Cancellation& cancellation) {
  const auto it = requests_.find(cancellation.request);
  if (it == requests_.end()) return;
  const auto stream = it->second.stream;
  const bool is_all = cancellation.choice < 0;
  if (is_all) it->second.was_cancelled = true;
  const std::int32_t first = is_all ? 0 : cancellation.choice;
  const std::int32_t end = is_all ? it->second.num_choices : first + 1;
  for (std::int32_t choice = first; choice < end; ++choice) {
    if (!scheduler_.cancel(cancellation.request, choice)) continue;
    end_choice(cancellation.request, /*is_error=*/false);
    stream->close_choice();
  }
}

// Counts a request once, when its last choice is over.
void Engine::Impl::end_choice(std::uint64_t request, bool is_error) {
  const auto it = requests_.find(request);
  if (it == requests_.end() || --it->second.open_choices > 0) return;
  const bool was_cancelled = it->second.was_cancelled;
  requests_.erase(it);
  count([&](EngineStats& stats) {
    if (is_error) {
      ++stats.errored;
    } else if (was_cancelled) {
      ++stats.cancelled;
    } else {
      ++stats.completed;
    }
  });
  stats_changed_.notify_all();
}

void Engine::Impl::fail_all(const std::string& reason) {
  for (const auto& sequence : scheduler_.take_all()) {
    const auto it = requests_.find(sequence->request);
    if (it == requests_.end()) continue;
    const auto stream = it->second.stream;
    end_choice(sequence->request, /*is_error=*/true);
    std::vector<TokenEvent> events(1);
    events[0].choice = sequence->choice;
    events[0].finish = FinishReason::kError;
    events[0].error = reason;
    stream->push(std::move(events));
  }
  publish_stats();
}

void Engine::Impl::publish_stats() {
  num_queued_ = scheduler_.num_waiting();
  count([&](EngineStats& stats) {
    stats.num_running = scheduler_.num_running();
    stats.num_waiting = scheduler_.num_waiting();
    stats.num_blocks = scheduler_.num_blocks();
    stats.num_free_blocks = scheduler_.num_free_blocks();
    stats.preemptions = scheduler_.num_preemptions();
  });
}

Engine::Engine(step::StepRunner& runner, EngineOptions options, const Clock& clock)
    : impl_(std::make_unique<Impl>(runner, options, clock)) {}
Engine::~Engine() = default;
Ticket Engine::submit(GenerationRequest request) { return impl_->submit(std::move(request)); }
step::RunnerInfo Engine::info() const { return impl_->info(); }
EngineStats Engine::stats() const { return impl_->stats(); }
void Engine::drain(std::chrono::milliseconds deadline) { impl_->drain(deadline); }

}  // namespace tandem::engine
