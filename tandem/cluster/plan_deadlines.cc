#include "tandem/cluster/plan_deadlines.h"

#include <algorithm>

#include "tandem/base/clock.h"

namespace tandem::cluster {

void PlanDeadlines::submitted(std::uint64_t number, std::int64_t num_tokens, TimePoint now) {
  std::lock_guard lock(mutex_);
  const std::chrono::duration<double> predicted(seconds_per_token_ * static_cast<double>(num_tokens));
  const auto limit = std::max<std::chrono::nanoseconds>(
      kAtLeast, std::chrono::duration_cast<std::chrono::nanoseconds>(predicted * 10));
  in_flight_.push_back({number, num_tokens, now, limit});
}

void PlanDeadlines::done(std::uint64_t number, TimePoint now) {
  std::lock_guard lock(mutex_);
  while (!in_flight_.empty() && in_flight_.front().number <= number) {
    const InFlight& plan = in_flight_.front();
    if (plan.num_tokens > 0) {
      seconds_per_token_ = std::max(seconds_per_token_, to_seconds(now - plan.at) / static_cast<double>(plan.num_tokens));
    }
    in_flight_.pop_front();
  }
}

void PlanDeadlines::clear() {
  std::lock_guard lock(mutex_);
  in_flight_.clear();
}

std::optional<std::chrono::nanoseconds> PlanDeadlines::overdue(TimePoint now) const {
  std::lock_guard lock(mutex_);
  if (in_flight_.empty() || now - in_flight_.front().at < in_flight_.front().limit) return std::nullopt;
  return now - in_flight_.front().at;
}

void PlanDeadlines::begin(const std::string& stage, std::uint64_t steps) {
  std::lock_guard lock(mutex_);
  steps_[stage] = steps;
}

std::uint64_t PlanDeadlines::steps_at_begin(const std::string& stage) const {
  std::lock_guard lock(mutex_);
  const auto it = steps_.find(stage);
  return it == steps_.end() ? 0 : it->second;
}

}  // namespace tandem::cluster
