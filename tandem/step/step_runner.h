// The middle seam: the engine above knows only this, the cluster below implements it, tests fake it in 20 lines.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "tandem/step/step_plan.h"

namespace tandem::step {

/// What a runner offers now; changes only between generations.
struct RunnerInfo {
  enum class State { kForming, kLoading, kReady, kFailed };
  State state = State::kForming;
  std::uint32_t deployment = 0;
  std::uint64_t generation = 0;   ///< of the plans that `submit` takes
  std::int32_t num_blocks = 0;    ///< KV blocks, ids 0 … num_blocks - 1; the smallest any rank holds
  std::int32_t block_size = 16;   ///< B, tokens a block
  std::int32_t num_ranks = 0;
  std::int32_t max_model_len = 0; ///< positions that a sequence may have
  std::string reason;             ///< why it is not ready: "rank 1 (mini2) is missing: killed by signal 9 …"
};

/// The generation is over: no further result of it comes; every sequence is to be opened again in the next one.
struct GenerationEnded {
  std::uint64_t generation = 0;
  std::string reason;
};

using StepOutcome = std::variant<StepResult, GenerationEnded>;

/// Runs steps. `submit` and `wait` are called from the engine's thread alone; `info`, `interrupt` from any.
class StepRunner {
 public:
  virtual ~StepRunner() = default;
  virtual RunnerInfo info() const = 0;
  /// How many plans may be in flight at once, ≥ 1.
  virtual int depth() const = 0;
  /// Sends a plan to every stage; number and generation are the caller's to set. A plan of an ended generation is dropped:
  /// `wait` has said or will say so.
  virtual void submit(const StepPlan& plan) = 0;
  /// The next outcome in plan order; nullopt after `interrupt`. Blocks, also while nothing is in flight.
  virtual std::optional<StepOutcome> wait() = 0;
  /// Makes the present or next `wait` return nullopt: a new request came, or the state changed.
  virtual void interrupt() = 0;
};

}  // namespace tandem::step
