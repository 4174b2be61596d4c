#include "tandem/text/stop_strings.h"

#include <algorithm>
#include <utility>

namespace tandem::text {

StopStrings::StopStrings(std::vector<std::string> stops, bool include_in_output)
    : stops_(std::move(stops)), include_(include_in_output) {
  std::erase_if(stops_, [](const std::string& stop) { return stop.empty(); });
  for (const std::string& stop : stops_) longest_ = std::max(longest_, stop.size());
}

StopStrings::Output StopStrings::push(std::string_view text) {
  held_ += text;
  const std::string* first = nullptr;
  std::size_t first_end = 0;
  for (const std::string& stop : stops_) {
    const std::size_t at = held_.find(stop);
    if (at == std::string::npos) continue;
    const std::size_t end = at + stop.size();
    // Of two that end together the longer: it began earlier.
    if (!first || end < first_end || (end == first_end && stop.size() > first->size())) {
      first = &stop;
      first_end = end;
    }
  }
  Output output;
  if (first) {
    output.text = held_.substr(0, include_ ? first_end : first_end - first->size());
    output.stopped = true;
    output.matched = *first;
    held_.clear();
    return output;
  }
  std::size_t keep = 0;
  for (const std::string& stop : stops_) {
    std::size_t tail = std::min(stop.size() - 1, held_.size());
    while (tail > keep && !std::string_view(stop).starts_with(std::string_view(held_).substr(held_.size() - tail))) --tail;
    keep = std::max(keep, tail);
  }
  output.text = held_.substr(0, held_.size() - keep);
  held_.erase(0, held_.size() - keep);
  return output;
}

std::string StopStrings::finish() { return std::exchange(held_, {}); }

}  // namespace tandem::text
