#include "tandem/stage/step_executor.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include <chrono>

#include "tandem/stage/answers.h"

namespace tandem::stage {
namespace {

using Clock = std::chrono::steady_clock;

/// Sends under way before the oldest is waited for: bounds memory when the next rank is slower.
constexpr std::size_t kMaxSends = 4;

std::int64_t microseconds_since(Clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start).count();
}

}  // namespace

StepExecutor::StepExecutor(model::Model& model, Generation& generation, const Setup& setup)
    : model_(model), generation_(generation), setup_(setup), table_(setup.bounds) {}

std::optional<step::StepResult> StepExecutor::run(PendingPlan& pending, step::StageTiming& timing) {
  const c10::InferenceMode inference;
  const step::StepPlan& plan = pending.plan;
  timing = {.rank = generation_.comm().rank()};
  const model::Batch batch = table_.apply(plan);
  if (!plan.copy.empty()) model_.copy_blocks(plan.copy);

  at::Tensor rows;
  std::vector<step::SliceResult> answers;
  if (!batch.ids.empty()) {
    const at::Tensor input = receive(pending, timing);
    const auto start = Clock::now();
    rows = model_.forward(batch, input);
    if (generation_.is_last()) {
      answers = answer_requests(plan, batch, rows, table_, model_, setup_.vocab_limit, timing.rank);
    } else {
      rows = rows.to(at::kCPU).contiguous();
    }
    timing.compute_us = microseconds_since(start);
    if (!generation_.is_last()) pass_on(plan, rows, timing);
  }
  if (!generation_.is_last()) return std::nullopt;
  return step::StepResult{.deployment = plan.deployment,
                          .generation = plan.generation,
                          .number = plan.number,
                          .slices = std::move(answers),
                          .timing = timing};
}

at::Tensor StepExecutor::receive(PendingPlan& pending, step::StageTiming& timing) {
  if (!pending.receiving) return {};
  const auto start = Clock::now();
  pending.receiving->wait();
  timing.wait_us = microseconds_since(start);
  timing.wire_bytes += pending.hidden.nbytes();
  return pending.hidden.to(at::Device(setup_.device));
}

void StepExecutor::pass_on(const step::StepPlan& plan, const at::Tensor& rows,
                           step::StageTiming& timing) {
  const auto start = Clock::now();
  sent_.push_back(
      {rows, generation_.comm().send(rows, generation_.comm().rank() + 1, tag_of(plan.number))});
  while (sent_.size() > kMaxSends) {
    sent_.front().work->wait();
    sent_.pop_front();
  }
  timing.wire_us = microseconds_since(start);
  timing.wire_bytes += rows.nbytes();
}

}  // namespace tandem::stage
