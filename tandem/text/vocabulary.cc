#include "tandem/text/vocabulary.h"

#include <algorithm>

namespace tandem::text {

Vocabulary::Vocabulary(std::vector<std::pair<std::string, TokenId>> entries) {
  ids_.reserve(entries.size());
  for (auto& [token, id] : entries) ids_.insert_or_assign(std::move(token), id);
  TokenId end = 0;
  for (const auto& [token, id] : ids_) end = std::max(end, id + 1);
  tokens_.resize(end, nullptr);
  for (const auto& [token, id] : ids_) {
    // Of two spellings the smaller: the order of a hash table must not decide.
    if (!tokens_[id] || token < *tokens_[id]) tokens_[id] = &token;
  }
}

}  // namespace tandem::text
