#include "tandem/link/refusals.h"

#include <algorithm>

#include "tandem/base/log.h"

namespace tandem::link {
namespace {

constexpr std::size_t kMaxRecent = 16;
constexpr std::size_t kMaxOffenders = 256;
constexpr std::chrono::seconds kLogInterval{1};
constexpr std::chrono::seconds kForgetAfter{10};
constexpr std::chrono::milliseconds kFirstPenalty{50}, kMaxPenalty{400};

}  // namespace

void Refusals::add(const std::string& text, TimePoint now) {
  const std::lock_guard lock(mutex_);
  std::erase(recent_, text);
  recent_.push_back(text);
  if (recent_.size() > kMaxRecent) recent_.erase(recent_.begin());
  if (last_logged_ != TimePoint{} && now - last_logged_ < kLogInterval) {
    ++num_unlogged_;
    return;
  }
  const std::string more = num_unlogged_ > 0 ? " (and " + std::to_string(num_unlogged_) + " more before it)" : "";
  log::warn("{}: refused: {}{}", listener_, text, more);
  last_logged_ = now;
  num_unlogged_ = 0;
}

std::vector<std::string> Refusals::recent() const {
  const std::lock_guard lock(mutex_);
  return recent_;
}

std::chrono::milliseconds Refusals::penalty(const std::string& address, TimePoint now) {
  const std::lock_guard lock(mutex_);
  std::erase_if(offenders_, [&](const auto& entry) { return now - entry.second.last > kForgetAfter; });
  // With this many offenders at once the oldest penalties matter less than bounded memory.
  if (offenders_.size() >= kMaxOffenders && !offenders_.contains(address)) offenders_.clear();
  Offender& offender = offenders_[address];
  const std::chrono::milliseconds now_due = offender.next;
  offender.next = std::clamp(offender.next * 2, kFirstPenalty, kMaxPenalty);
  offender.last = now;
  return now_due;
}

}  // namespace tandem::link
