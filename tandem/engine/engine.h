// Who runs next: takes requests from `api`, schedules them onto a StepRunner on a thread of its own, gives tokens back as
// events. Knows ids, never text; no libtorch, no sockets.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tandem/base/clock.h"
#include "tandem/step/step_runner.h"

namespace tandem::engine {

using step::TokenId;

/// One prompt, n answers.
struct GenerationRequest {
  std::string id;                       ///< for the log: "chatcmpl-…"
  std::vector<TokenId> prompt;          ///< not empty
  step::SamplingParams sampling;        ///< choice is set by the engine, seed by the caller
  std::int32_t n = 1;
  std::int32_t max_tokens = -1;         ///< -1: until an end token or the context's end
  std::vector<TokenId> end_ids;         ///< these end a choice with kStop (empty under ignore_eos)
  std::vector<TokenId> stop_token_ids;  ///< the client's own; end a choice with kStop, reported as `stop_token`
};

enum class FinishReason { kStop, kLength, kCancelled, kError };

/// One token of one choice, or its end.
struct TokenEvent {
  std::int32_t choice = 0;
  std::optional<step::TokenResult> token;   ///< absent in an event that only ends the choice
  std::optional<FinishReason> finish;       ///< set on the last event of a choice
  bool is_end_token = false;                ///< `token` is an end or stop token: not part of the text
  std::optional<TokenId> stop_token;        ///< which of stop_token_ids ended it
  std::string error;                        ///< with kError: what happened, for the client
};

struct RequestStats {
  std::chrono::steady_clock::time_point submitted, first_scheduled, first_token, last_token;
  std::int32_t num_prompt_tokens = 0, num_cached_tokens = 0, num_output_tokens = 0;
};

/// The caller's end of one request. Safe from any thread. Dropping the last copy cancels what still runs.
class Ticket {
 public:
  class Impl;
  explicit Ticket(std::shared_ptr<Impl> impl);
  /// The next event if there is one.
  std::optional<TokenEvent> try_next() const;
  /// Waits; nullopt when all choices have ended and been read, or at the deadline.
  std::optional<TokenEvent> next(std::chrono::steady_clock::time_point deadline) const;
  /// True when all choices have ended and been read.
  bool is_done() const;
  /// Called after events were added, from the engine's thread; at once if some are waiting. Must not block.
  void set_waker(std::function<void()> waker) const;
  /// Ends one choice (a stop string was found) or all (-1); the next plan closes its sequence on every rank. No event
  /// follows for it.
  void cancel(std::int32_t choice = -1) const;
  RequestStats stats() const;

 private:
  std::shared_ptr<Impl> impl_;
};

struct EngineOptions {
  std::int32_t max_num_seqs = 64;        ///< sequences that run at once
  std::int32_t max_queue = 256;          ///< requests that wait; beyond: Error{kResourceExhausted}
  std::chrono::milliseconds prefill_target{1000};  ///< a step's prompt chunk is sized to take about so long
  std::int32_t max_step_tokens = 2048;   ///< upper bound of a chunk
  std::int32_t vocab_size = 0;           ///< ids ≥ this in a prompt: Error{kInvalidArgument}
};

struct EngineStats {
  std::int32_t num_running = 0, num_waiting = 0;
  std::int32_t num_blocks = 0, num_free_blocks = 0;
  std::uint64_t accepted = 0, completed = 0, errored = 0, cancelled = 0;
  std::uint64_t prompt_tokens = 0, output_tokens = 0, preemptions = 0;
};

/// accepted == completed + errored + cancelled + in flight, at any time.
class Engine {
 public:
  /// `runner` and `clock` outlive the engine. Starts the engine's thread.
  Engine(step::StepRunner& runner, EngineOptions options, const Clock& clock);
  ~Engine();
  /// Throws Error before anything is owed: kUnavailable (not ready, draining: with the runner's reason), kResourceExhausted
  /// (queue full), kInvalidArgument (empty prompt, ids out of range, prompt longer than the context or than all blocks hold).
  Ticket submit(GenerationRequest request);
  step::RunnerInfo info() const;
  EngineStats stats() const;
  /// Refuses new requests from now on; returns when none is left, or at the deadline after ending the rest with kError.
  void drain(std::chrono::milliseconds deadline);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tandem::engine
