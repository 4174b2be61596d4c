// Decides what each step computes: pure bookkeeping over sequences and block ids, without threads, clocks of its own or I/O,
// so that every decision can be tested. Called by the engine's loop: schedule → run → apply.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "tandem/engine/block_pool.h"
#include "tandem/engine/engine.h"

namespace tandem::engine {

/// One choice of one request: everything needed to compute it again from nothing.
struct Sequence {
  std::uint64_t request = 0;              ///< the engine's number of its request
  std::int32_t choice = 0;
  step::SamplingParams sampling;
  std::vector<TokenId> ids;               ///< prompt, then output
  std::int32_t num_prompt_ids = 0;
  std::int32_t max_len = 0;               ///< ids.size() at which it ends with kLength
  std::vector<TokenId> end_ids, stop_token_ids;

  std::uint64_t arrival = 0;              ///< order of submission; set by the scheduler
  step::SequenceId opened_as = 0;         ///< id on the stages since it was last opened; 0: not open there
  std::int32_t num_computed = 0;          ///< positions whose KV the stages hold, plans in flight included
  std::vector<step::BlockId> blocks;
  bool is_in_flight = false;              ///< a plan that draws its next token is in flight
  bool is_cancelled = false;
};

/// What one result meant for one sequence.
struct SequenceEvent {
  std::uint64_t request = 0;
  TokenEvent event;
};

struct SchedulerOptions {
  std::int32_t max_num_seqs = 64;
  std::int32_t max_step_tokens = 2048;
  std::chrono::milliseconds prefill_target{1000};
};

/// First come, first served; decodes of all running sequences share each step with one chunk of prompts. When blocks run
/// out, the youngest running sequence gives its blocks back and is computed again later.
class Scheduler {
 public:
  explicit Scheduler(SchedulerOptions options);

  /// A new generation: no KV, nothing open. Sequences that were there wait again, oldest first.
  void begin_generation(const step::RunnerInfo& info);
  void add(std::unique_ptr<Sequence> sequence);
  /// Forgets a sequence now; the next plan closes it on every rank and its blocks are free. False if there is none.
  bool cancel(std::uint64_t request, std::int32_t choice);
  /// Takes every sequence out, for an error that ends them all.
  std::vector<std::unique_ptr<Sequence>> take_all();

  /// The next plan, numbered; nullopt when there is nothing to compute or close.
  std::optional<step::StepPlan> schedule();
  /// Accounts for the oldest plan in flight, which took `elapsed`; throws Error{kInternal} when the result is not its.
  std::vector<SequenceEvent> apply(const step::StepResult& result, std::chrono::nanoseconds elapsed);

  /// Whose sequence a plan just opened; nullopt when it has ended since.
  std::optional<std::uint64_t> request_of(step::SequenceId sequence) const;
  std::int32_t num_running() const { return static_cast<std::int32_t>(running_.size()); }
  std::int32_t num_waiting() const { return static_cast<std::int32_t>(waiting_.size()); }
  std::int32_t num_blocks() const { return pool_.num_blocks(); }
  std::int32_t num_free_blocks() const { return pool_.num_free(); }
  std::int32_t num_in_flight() const { return static_cast<std::int32_t>(in_flight_.size()); }
  std::uint64_t num_preemptions() const { return num_preemptions_; }
  /// Prompt tokens that the next chunk may have.
  std::int32_t chunk_tokens() const { return chunk_tokens_; }

 private:
  using Sequences = std::list<std::unique_ptr<Sequence>>;
  struct PlanInFlight {
    std::uint64_t number = 0;
    std::int64_t num_tokens = 0, num_prompt_tokens = 0;
    std::vector<step::SequenceId> slices;   ///< opened_as of each slice
  };

  void schedule_decodes(step::StepPlan& plan);
  void schedule_prompts(step::StepPlan& plan);
  void admit(step::StepPlan& plan);
  void add_slice(step::StepPlan& plan, Sequence& sequence, std::int32_t num_ids);
  bool grow(step::StepPlan& plan, Sequence& sequence, std::int32_t num_positions);
  bool preempt_youngest(step::StepPlan& plan, const Sequence& keep);
  void stop_running(Sequence& sequence);
  void adapt_chunk(const PlanInFlight& plan, std::chrono::nanoseconds elapsed);
  TokenEvent append(Sequence& sequence, const step::TokenResult& token);

  SchedulerOptions options_;
  step::RunnerInfo info_;
  BlockPool pool_{0};
  std::deque<std::unique_ptr<Sequence>> waiting_;
  Sequences running_;                       ///< oldest first
  std::unordered_map<step::SequenceId, Sequence*> open_;
  std::vector<step::SequenceId> to_close_;
  std::deque<PlanInFlight> in_flight_;
  std::uint64_t next_arrival_ = 1, next_number_ = 0;
  step::SequenceId next_sequence_id_ = 1;
  std::uint64_t num_preemptions_ = 0;
  std::int32_t chunk_tokens_;
};

}  // namespace tandem::engine
