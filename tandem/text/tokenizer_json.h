// tokenizer.json as a stream of values: the vocabulary and the merges, hundreds of thousands of
// them, go into plain vectors, the rest into a small tree. Called by Tokenizer::parse.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tandem/base/json.h"
#include "tandem/text/tokenizer.h"

namespace tandem::text {

inline constexpr std::size_t kMaxTokenizerBytes = 256 << 20;
/// Real vocabularies have up to 300,000 ids; tables are as large as the largest id.
inline constexpr TokenId kMaxTokenId = (1 << 22) - 1;
inline constexpr std::size_t kMaxTokenBytes = 64 << 10;

struct TokenizerJson {
  Json fields;  ///< everything but model.vocab and model.merges
  std::vector<std::pair<std::string, TokenId>>
      vocab;  ///< in the file's order; ids are 0 … kMaxTokenId
  std::vector<std::pair<std::string, std::string>> merges;  ///< by rank
};

/// Throws Error{kCorrupt, "tokenizer.json: …"} on bad JSON, depth, numbers of values, ids and
/// merges.
TokenizerJson read_tokenizer_json(std::string_view bytes);

}  // namespace tandem::text
