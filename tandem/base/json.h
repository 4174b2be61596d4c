// JSON from bytes that nobody vouches for: requests, model configs, tokenizers. Bounded before anything recursive sees it.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "tandem/base/insertion_ordered_map.h"

namespace tandem {

/// Objects keep the order of their keys, as Python's do: a chat template prints a request's tools in that order.
using Json = nlohmann::basic_json<InsertionOrderedMap>;

struct JsonLimits {
  std::size_t max_bytes = 64 << 20;
  /// nlohmann's copy and dump recurse once a level; 64 levels are far more than any client or model file uses.
  int max_depth = 64;
};

/// Parses `text`; throws Error{kInvalidArgument, "<what>: …"} on bad JSON, invalid UTF-8, too many bytes or levels, with the
/// byte offset where it stopped.
Json parse_json(std::string_view text, std::string_view what, const JsonLimits& limits = {});

/// dump() that never throws: invalid UTF-8 becomes U+FFFD.
std::string dump_json(const Json& value);

}  // namespace tandem
