#include "tandem/text/split_behavior.h"

#include <algorithm>

#include "tandem/base/error.h"

namespace tandem::text {
namespace {

std::vector<Range> merge_with_previous(const std::vector<Segment>& segments) {
  std::vector<Range> parts;
  bool after_delimiter = false;
  for (const Segment& segment : segments) {
    if (segment.is_delimiter && !after_delimiter && !parts.empty()) {
      parts.back().end = segment.range.end;
    } else {
      parts.push_back(segment.range);
    }
    after_delimiter = segment.is_delimiter;
  }
  return parts;
}

std::vector<Range> merge_with_next(const std::vector<Segment>& segments) {
  std::vector<Range> parts;
  bool before_delimiter = false;
  for (auto segment = segments.rbegin(); segment != segments.rend(); ++segment) {
    if (segment->is_delimiter && !before_delimiter && !parts.empty()) {
      parts.back().begin = segment->range.begin;
    } else {
      parts.push_back(segment->range);
    }
    before_delimiter = segment->is_delimiter;
  }
  std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<Range> join_contiguous(const std::vector<Segment>& segments) {
  std::vector<Range> parts;
  bool previous = false;
  for (const Segment& segment : segments) {
    if (segment.is_delimiter == previous && !parts.empty()) {
      parts.back().end = segment.range.end;
    } else {
      parts.push_back(segment.range);
    }
    previous = segment.is_delimiter;
  }
  return parts;
}

}  // namespace

SplitBehavior parse_split_behavior(const std::string& name, const std::string& where) {
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  throw Error(Code::kCorrupt, where + ": unknown behavior \"" + name + "\"");
}

std::vector<Segment> cover(const std::vector<Range>& matches, std::size_t size) {
  std::vector<Segment> segments;
  segments.reserve(matches.size() * 2 + 1);
  std::size_t at = 0;
  for (const Range& match : matches) {
    if (at != match.begin) segments.push_back({{at, match.begin}, false});
    segments.push_back({match, true});
    at = match.end;
  }
  if (at != size) segments.push_back({{at, size}, false});
  return segments;
}

std::vector<Range> split_segments(const std::vector<Segment>& segments, SplitBehavior behavior) {
  switch (behavior) {
    case SplitBehavior::kMergedWithPrevious:
      return merge_with_previous(segments);
    case SplitBehavior::kMergedWithNext:
      return merge_with_next(segments);
    case SplitBehavior::kContiguous:
      return join_contiguous(segments);
    case SplitBehavior::kRemoved:
    case SplitBehavior::kIsolated:
      break;
  }
  std::vector<Range> parts;
  parts.reserve(segments.size());
  for (const Segment& segment : segments) {
    if (behavior == SplitBehavior::kIsolated || !segment.is_delimiter)
      parts.push_back(segment.range);
  }
  return parts;
}

}  // namespace tandem::text
