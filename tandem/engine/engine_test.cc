#include "tandem/engine/engine.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "tandem/base/error.h"

namespace tandem::engine {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Draws id 5 for every wanted row; holds results back while `paused`.
class FakeRunner : public step::StepRunner {
 public:
  step::RunnerInfo info() const override {
    std::lock_guard lock(mutex_);
    return info_;
  }
  int depth() const override { return 1; }
  void submit(const step::StepPlan& plan) override {
    step::StepResult result{.generation = plan.generation, .number = plan.number};
    for (const auto& slice : plan.slices) {
      result.slices.push_back({.sequence = slice.sequence});
      for (const auto& r : slice.requests) result.slices.back().rows.push_back({.row = r.row, .tokens = {{.id = 5}}});
    }
    std::lock_guard lock(mutex_);
    num_closed_ += plan.close.size();
    outcomes_.push_back(result);
    changed_.notify_all();
  }
  std::optional<step::StepOutcome> wait() override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return interrupted_ || (!outcomes_.empty() && !paused_); });
    if (interrupted_) {
      interrupted_ = false;
      return std::nullopt;
    }
    auto outcome = outcomes_.front();
    outcomes_.pop_front();
    return outcome;
  }
  void interrupt() override { change([](FakeRunner& r) { r.interrupted_ = true; }); }
  template <typename F>
  void change(F update) {
    std::lock_guard lock(mutex_);
    update(*this);
    changed_.notify_all();
  }
  void end_generation(const std::string& reason) {
    change([&](FakeRunner& r) {
      r.info_.state = step::RunnerInfo::State::kForming;
      r.info_.reason = reason;
      r.outcomes_ = {step::GenerationEnded{r.info_.generation, reason}};
      r.paused_ = false;
    });
  }
  std::size_t num_closed() const {
    std::lock_guard lock(mutex_);
    return num_closed_;
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  step::RunnerInfo info_{.state = step::RunnerInfo::State::kReady, .generation = 1, .num_blocks = 16, .block_size = 4,
                         .num_ranks = 1, .max_model_len = 32};
  std::deque<step::StepOutcome> outcomes_;
  bool interrupted_ = false, paused_ = false;
  std::size_t num_closed_ = 0;
};

class EngineTest : public ::testing::Test {
 protected:
  FakeRunner runner_;
  SteadyClock clock_;
  Engine engine_{runner_, {.max_num_seqs = 2, .max_queue = 2, .vocab_size = 10}, clock_};

  static GenerationRequest request(std::int32_t max_tokens = 3) {
    GenerationRequest r;
    r.prompt = {1, 2, 3};
    r.max_tokens = max_tokens;
    return r;
  }
  static steady_clock::time_point soon() { return steady_clock::now() + std::chrono::seconds(10); }
  static std::vector<TokenEvent> read_all(const Ticket& ticket) {
    std::vector<TokenEvent> events;
    while (auto event = ticket.next(soon())) events.push_back(*event);
    return events;
  }
};

TEST_F(EngineTest, streams_tokens_until_max_tokens) {
  const Ticket ticket = engine_.submit(request());
  const auto events = read_all(ticket);
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0].token->id, 5);
  EXPECT_FALSE(events[1].finish);
  EXPECT_EQ(events[2].finish, FinishReason::kLength);
  EXPECT_TRUE(ticket.is_done());
  const RequestStats stats = ticket.stats();
  EXPECT_EQ(stats.num_output_tokens, 3);
  EXPECT_LE(stats.submitted, stats.first_scheduled);
  EXPECT_LE(stats.first_scheduled, stats.first_token);
}

TEST_F(EngineTest, every_choice_of_n_ends) {
  GenerationRequest r = request(2);
  r.n = 3;
  const auto events = read_all(engine_.submit(r));
  EXPECT_EQ(events.size(), 6u);
  EXPECT_EQ(std::count_if(events.begin(), events.end(), [](const auto& e) { return e.finish.has_value(); }), 3);
}

TEST_F(EngineTest, the_context_end_bounds_unlimited_requests) {
  EXPECT_EQ(read_all(engine_.submit(request(-1))).size(), 29u);
}

TEST_F(EngineTest, refuses_what_can_never_run) {
  GenerationRequest empty = request(), unknown_id = request(), too_long = request();
  empty.prompt.clear();
  unknown_id.prompt = {10};
  too_long.prompt.assign(32, 1);
  for (const auto& bad : {empty, unknown_id, too_long}) EXPECT_THROW(engine_.submit(bad), Error);
  EXPECT_EQ(engine_.stats().accepted, 0u);
}

TEST_F(EngineTest, a_full_queue_refuses_and_keeps_what_it_has) {
  runner_.change([](FakeRunner& r) { r.paused_ = true; });
  std::vector<Ticket> tickets;
  bool refused = false;
  for (int i = 0; i < 8 && !refused; ++i) {
    try {
      tickets.push_back(engine_.submit(request()));
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Code::kResourceExhausted);
      refused = true;
    }
  }
  EXPECT_TRUE(refused);
  runner_.change([](FakeRunner& r) { r.paused_ = false; });
  for (const Ticket& ticket : tickets) EXPECT_EQ(read_all(ticket).size(), 3u);
}

TEST_F(EngineTest, dropping_the_ticket_cancels_and_closes_on_the_stages) {
  {
    const Ticket ticket = engine_.submit(request(20));
    ASSERT_TRUE(ticket.next(soon()));
    runner_.change([](FakeRunner& r) { r.paused_ = true; });
  }
  runner_.change([](FakeRunner& r) { r.paused_ = false; });
  const auto until = soon();
  while ((engine_.stats().cancelled + engine_.stats().completed == 0 || runner_.num_closed() == 0) && steady_clock::now() < until) {
    std::this_thread::yield();
  }
  EXPECT_EQ(runner_.num_closed(), 1u);
}

TEST_F(EngineTest, a_lost_generation_ends_requests_with_its_reason) {
  runner_.change([](FakeRunner& r) { r.paused_ = true; });
  const Ticket ticket = engine_.submit(request());
  runner_.end_generation("rank 1 is missing");
  const auto events = read_all(ticket);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].finish, FinishReason::kError);
  EXPECT_EQ(events[0].error, "rank 1 is missing");
  try {
    engine_.submit(request());
    FAIL() << "accepted without a cluster";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::kUnavailable);
    EXPECT_STREQ(e.what(), "rank 1 is missing");
  }
}

TEST_F(EngineTest, works_again_in_the_next_generation) {
  runner_.end_generation("gone");
  runner_.change([](FakeRunner& r) {
    r.info_.state = step::RunnerInfo::State::kReady;
    r.info_.generation = 2;
    r.interrupted_ = true;
  });
  EXPECT_EQ(read_all(engine_.submit(request())).size(), 3u);
}

TEST_F(EngineTest, counters_always_add_up) {
  for (int i = 0; i < 20; ++i) read_all(engine_.submit(request(1 + i % 3)));
  const EngineStats stats = engine_.stats();
  EXPECT_EQ(stats.accepted, 20u);
  EXPECT_EQ(stats.completed, 20u);
  EXPECT_EQ(stats.prompt_tokens, 60u);
}

TEST_F(EngineTest, draining_refuses_new_requests) {
  engine_.drain(milliseconds(100));
  EXPECT_THROW(engine_.submit(request()), Error);
}

TEST_F(EngineTest, a_drain_that_ends_too_early_tells_what_is_left) {
  runner_.change([](FakeRunner& r) { r.paused_ = true; });
  const Ticket ticket = engine_.submit(request());
  engine_.drain(milliseconds(20));
  const auto events = read_all(ticket);
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0].error, "the server is shutting down");
}

TEST_F(EngineTest, the_waker_is_called_when_events_wait) {
  const Ticket ticket = engine_.submit(request());
  std::mutex mutex;
  std::condition_variable changed;
  int calls = 0;
  ticket.set_waker([&] {
    std::lock_guard lock(mutex);
    ++calls;
    changed.notify_all();
  });
  std::unique_lock lock(mutex);
  EXPECT_TRUE(changed.wait_until(lock, soon(), [&] { return calls > 0; }));
  lock.unlock();
  ticket.set_waker(nullptr);
}

}  // namespace
}  // namespace tandem::engine
