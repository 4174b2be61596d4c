// Runs one rank's part of each plan: takes the rows of the rank before, computes the layers, passes
// the rows on or answers.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "tandem/model/model.h"
#include "tandem/stage/generation.h"
#include "tandem/stage/sequence_table.h"
#include "tandem/step/step_plan.h"

namespace tandem::stage {

/// The state of one begun generation. Main thread.
class StepExecutor {
 public:
  struct Setup {
    SequenceTable::Bounds bounds;
    std::int32_t vocab_limit = 0;
    std::string device = "cpu";
  };
  /// `model` has its KV blocks; both it and `generation` outlive the executor.
  StepExecutor(model::Model& model, Generation& generation, const Setup& setup);

  /// Computes a plan. The last rank gets the answers, others nullopt; `timing` is filled on every
  /// rank.
  std::optional<step::StepResult> run(PendingPlan& pending, step::StageTiming& timing);

 private:
  struct Sent {
    at::Tensor rows;  // must not change before the send is done
    std::unique_ptr<comm::Work> work;
  };

  at::Tensor receive(PendingPlan& pending, step::StageTiming& timing);
  void pass_on(const step::StepPlan& plan, const at::Tensor& rows, step::StageTiming& timing);

  model::Model& model_;
  Generation& generation_;
  const Setup setup_;
  SequenceTable table_;
  std::deque<Sent> sent_;
};

}  // namespace tandem::stage
