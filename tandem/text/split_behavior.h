// What becomes of the delimiters at which a text is split. Used by the pre-tokenizers.
#pragma once

#include <string>
#include <vector>

#include "tandem/text/tokenizer.h"

namespace tandem::text {

/// "the-final--countdown" split at "-":
enum class SplitBehavior {
  kRemoved,             ///< the | final | countdown
  kIsolated,            ///< the | - | final | - | - | countdown
  kMergedWithPrevious,  ///< the- | final- | - | countdown
  kMergedWithNext,      ///< the | -final | - | -countdown
  kContiguous,          ///< the | - | final | -- | countdown
};

/// From its name in tokenizer.json; throws Error{kCorrupt} that names `where`.
SplitBehavior parse_split_behavior(const std::string& name, const std::string& where);

/// A part of a text, and whether it is a delimiter.
struct Segment {
  Range range;
  bool is_delimiter;
};

/// `matches` (sorted, disjoint, within `size` bytes) and what lies between them.
std::vector<Segment> cover(const std::vector<Range>& matches, std::size_t size);
/// The parts that stay; some may be empty.
std::vector<Range> split_segments(const std::vector<Segment>& segments, SplitBehavior behavior);

}  // namespace tandem::text
