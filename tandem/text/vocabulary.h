// Tokens by spelling and by id, as the file's model has them. Shared by the model and the added
// tokens.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tandem/text/tokenizer.h"

namespace tandem::text {

/// Spellings are unique; ids may have gaps, and two spellings may share one.
class Vocabulary {
 public:
  Vocabulary() = default;
  /// Ids must be ≥ 0; of a spelling given twice the later id counts.
  explicit Vocabulary(std::vector<std::pair<std::string, TokenId>> entries);
  Vocabulary(Vocabulary&&) = default;
  Vocabulary& operator=(Vocabulary&&) = default;

  std::optional<TokenId> id(std::string_view token) const {
    const auto found = ids_.find(token);
    return found == ids_.end() ? std::nullopt : std::optional(found->second);
  }
  /// nullptr for an unknown id; valid as long as the vocabulary.
  const std::string* token(TokenId id) const {
    return id < 0 || static_cast<std::size_t>(id) >= tokens_.size() ? nullptr : tokens_[id];
  }
  /// The number of spellings.
  std::size_t size() const { return ids_.size(); }
  /// One more than the largest id.
  TokenId end() const { return static_cast<TokenId>(tokens_.size()); }

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>()(text);
    }
  };
  std::unordered_map<std::string, TokenId, Hash, std::equal_to<>> ids_;
  std::vector<const std::string*>
      tokens_;  ///< by id; into the keys of ids_, whose nodes never move
};

}  // namespace tandem::text
