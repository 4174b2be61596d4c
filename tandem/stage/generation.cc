#include "tandem/stage/generation.h"

#include <ATen/ATen.h>

#include "tandem/base/error.h"

namespace tandem::stage {

std::uint32_t tag_of(std::uint64_t plan_number) {
  return static_cast<std::uint32_t>(plan_number & 0x7fffffff);
}

PendingPlan Generation::take(step::StepPlan plan) {
  const std::int64_t hidden_size = hidden_size_;
  if (hidden_size == 0) throw Error(Code::kCorrupt, "a plan came before its generation began");
  if (plan.number != next_number_) {
    throw Error(Code::kCorrupt, "plan " + std::to_string(plan.number) + " came, " +
                                    std::to_string(next_number_) + " was next");
  }
  ++next_number_;
  PendingPlan pending{std::move(plan), {}, nullptr};
  const std::int64_t num_rows = pending.plan.num_tokens();
  if (num_rows == 0 || is_first()) return pending;
  pending.hidden = at::empty({num_rows, hidden_size}, at::kFloat);
  pending.receiving =
      comm_->receive(pending.hidden, comm_->rank() - 1, tag_of(pending.plan.number));
  return pending;
}

void Generation::end() {
  is_over_ = true;
  comm_->abandon();
}

}  // namespace tandem::stage
