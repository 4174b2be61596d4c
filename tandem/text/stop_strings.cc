#include "tandem/text/stop_strings.h"

#include <algorithm>
#include <utility>

namespace tandem::text {

StopStrings::StopStrings(std::vector<std::string> stops, bool include_in_output)
    : include_(include_in_output) {
  for (std::string& stop : stops) {
    if (!stop.empty()) matchers_.push_back(make_matcher(std::move(stop)));
  }
}

StopStrings::Matcher StopStrings::make_matcher(std::string stop) {
  std::vector<std::size_t> fallback(stop.size() + 1, 0);
  for (std::size_t end = 1; end < stop.size(); ++end) {
    std::size_t length = fallback[end];
    while (length > 0 && stop[length] != stop[end]) length = fallback[length];
    fallback[end + 1] = stop[length] == stop[end] ? length + 1 : 0;
  }
  return {std::move(stop), std::move(fallback), 0};
}

bool StopStrings::advance(Matcher& matcher, char byte) {
  while (matcher.matched > 0 && matcher.stop[matcher.matched] != byte)
    matcher.matched = matcher.fallback[matcher.matched];
  if (matcher.stop[matcher.matched] == byte) ++matcher.matched;
  return matcher.matched == matcher.stop.size();
}

StopStrings::Output StopStrings::push(std::string_view text) {
  for (std::size_t at = 0; at < text.size(); ++at) {
    const std::string* reached = nullptr;
    for (Matcher& matcher : matchers_) {
      // Of two that end together the longer counts: it began earlier.
      const bool ends = advance(matcher, text[at]);
      if (ends && (!reached || matcher.stop.size() > reached->size())) reached = &matcher.stop;
    }
    if (!reached) continue;
    Output output{
        .text = finish().append(text.substr(0, at + 1)), .stopped = true, .matched = *reached};
    if (!include_) output.text.resize(output.text.size() - reached->size());
    return output;
  }
  std::size_t keep = 0;
  for (const Matcher& matcher : matchers_) keep = std::max(keep, matcher.matched);
  held_ += text;
  Output output{.text = held_.substr(0, held_.size() - keep)};
  held_.erase(0, held_.size() - keep);
  return output;
}

std::string StopStrings::finish() { return std::exchange(held_, {}); }

}  // namespace tandem::text
