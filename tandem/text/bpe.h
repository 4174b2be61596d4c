// Byte-pair encoding of one word, in O(n log n): the model behind nearly every tokenizer.json of
// today. Called by Tokenizer::encode for every piece that the pre-tokenizer leaves.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tandem/base/json.h"
#include "tandem/text/vocabulary.h"

namespace tandem::text {

/// From pairs of ids to rank and result: open addressing, a third of the time of
/// std::unordered_map.
class MergeTable {
 public:
  struct Merge {
    std::uint32_t rank;
    TokenId result;
  };
  explicit MergeTable(std::size_t count);
  /// A later merge of the same pair replaces the earlier one.
  void insert(TokenId left, TokenId right, Merge merge);
  /// nullptr when the pair does not merge.
  const Merge* find(TokenId left, TokenId right) const;

 private:
  struct Slot {
    std::uint64_t pair = kEmpty;
    Merge merge{};
  };
  static constexpr std::uint64_t kEmpty = ~std::uint64_t{0};
  std::size_t slot_of(std::uint64_t pair) const;
  std::vector<Slot> slots_;
  int shift_;
};

struct BpeOptions {
  std::optional<std::string> unk_token;
  std::string continuing_subword_prefix;
  std::string end_of_word_suffix;
  bool fuse_unk = false;
  bool byte_fallback = false;
  bool ignore_merges = false;
};

/// Immutable; every call is safe from any thread.
class Bpe {
 public:
  /// Throws Error{kCorrupt} when a merge names a token that the vocabulary lacks.
  Bpe(const Vocabulary& vocabulary, const std::vector<std::pair<std::string, std::string>>& merges,
      BpeOptions options);

  /// Appends the ids of `word`, valid UTF-8. What has no token becomes bytes, the unknown token, or
  /// nothing, as the options say. Throws Error{kCorrupt} when the unknown token is needed and the
  /// vocabulary lacks it.
  void encode(std::string_view word, std::vector<TokenId>& ids) const;

 private:
  struct Symbol {
    TokenId id;
    std::int32_t previous, next;
    bool removed = false;
  };
  std::vector<Symbol> symbols(std::string_view word) const;
  bool append_bytes(std::string_view character, std::vector<Symbol>& symbols) const;
  TokenId unknown() const;
  void merge(std::vector<Symbol>& symbols) const;
  std::optional<TokenId> character_id(std::string_view character) const;

  const Vocabulary& vocabulary_;
  BpeOptions options_;
  MergeTable merges_;
  std::vector<TokenId> results_;  ///< by rank
  std::vector<TokenId>
      basic_ids_;  ///< of the characters below U+3000, -1 without: a table is faster than the hash
  std::vector<std::optional<TokenId>> byte_ids_;  ///< of "<0x00>" … "<0xFF>"
};

/// The options of model fields; throws Error{kUnsupported} for dropout and for a model that is not
/// BPE.
BpeOptions read_bpe_options(const Json& model, const std::string& where);

}  // namespace tandem::text
