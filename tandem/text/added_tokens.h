// Tokens that stand outside of the model: special ones ("<|im_start|>") and others that were added
// to a trained vocabulary. Found in a text before the model sees it, with the order and the rules
// of `tokenizers`.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "tandem/base/json.h"
#include "tandem/text/aligned_text.h"
#include "tandem/text/normalizer.h"
#include "tandem/text/vocabulary.h"

namespace tandem::text {

struct AddedToken {
  std::string content;
  TokenId id = 0;
  bool single_word = false;  ///< only where no word character touches it
  bool lstrip = false;       ///< takes the white space before it
  bool rstrip = false;       ///< takes the white space behind it
  bool normalized = false;   ///< is looked for in the normalised text, else before
  bool special = false;      ///< left out of decoded text on demand; never matches in literal text
};

/// Strings by prefix, with the index of each.
class Trie {
 public:
  Trie();
  void insert(std::string_view text, int value);
  /// Calls `found(length, value)` for every inserted string that `text` begins with, shortest
  /// first.
  template <typename Found>
  void each_prefix(std::string_view text, const Found& found) const {
    if (text.empty() || !begins_[static_cast<unsigned char>(text[0])]) return;
    std::uint32_t node = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      const auto next = edges_.find(node << 8 | static_cast<unsigned char>(text[i]));
      if (next == edges_.end()) return;
      node = next->second;
      if (values_[node] >= 0) found(i + 1, values_[node]);
    }
  }

 private:
  std::unordered_map<std::uint32_t, std::uint32_t> edges_;  ///< node << 8 | byte → node
  std::vector<int> values_;                                 ///< by node; -1: no string ends here
  std::array<bool, 256> begins_{};
};

/// Immutable; every call is safe from any thread.
class AddedTokens {
 public:
  enum class Stage { kBeforeNormalization, kAfterNormalization };
  struct Part {
    std::optional<TokenId> id;  ///< of an added token; without, the text between
    Range range;
  };

  AddedTokens() = default;
  /// From tokenizer.json's "added_tokens" (an array, or null). An id is the model's for that
  /// spelling, or else the next free one, as `tokenizers` counts. Throws Error{kCorrupt |
  /// kUnsupported}.
  AddedTokens(const Json& json, const Vocabulary& vocabulary, const Normalizer* normalizer);

  /// Cuts `text` at the tokens of `stage`, leftmost longest. A special token that overlaps a range
  /// of `literal` (in bytes of the original) is text.
  std::vector<Part> split(const AlignedText& text, Stage stage,
                          std::span<const Range> literal) const;

  /// The form that decoding starts from: normalised for a normalized token. nullptr for other ids.
  const std::string* token(TokenId id) const;
  std::optional<TokenId> id(std::string_view content) const;
  /// Whether the token was added as special.
  bool is_special(TokenId id) const;
  /// Whether decoding leaves out a token that is spelled so; `tokenizers` asks by spelling.
  bool is_left_out(const std::string& spelling) const { return special_.contains(spelling); }
  /// One more than the largest id; 0 without tokens.
  TokenId end() const { return end_; }

 private:
  void add(AddedToken token, const Vocabulary& vocabulary, const Normalizer* normalizer);
  const AddedToken* longest_at(const AlignedText& text, std::size_t at, const Trie& trie,
                               std::span<const Range> literal, std::size_t& length) const;

  std::vector<AddedToken> tokens_;
  std::vector<std::string> spellings_;  ///< of tokens_, as decoding starts from them
  std::unordered_map<std::string, TokenId> ids_;
  std::unordered_map<TokenId, int> by_id_;  ///< index into tokens_
  std::unordered_set<std::string> special_;
  Trie plain_, normalized_;
  TokenId end_ = 0;
};

}  // namespace tandem::text
