// Text to ids and back, from a model's tokenizer.json, with the same result as Hugging Face's
// `tokenizers`. Called by `api`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tandem::text {

using TokenId = std::int32_t;

/// A byte range [begin, end) of a string.
struct Range {
  std::size_t begin = 0, end = 0;
  bool operator==(const Range&) const = default;
};

struct EncodeOptions {
  bool add_special_tokens = true;  ///< apply the template post-processor (BOS, EOS)
  /// Bytes that came from a request: no special token is recognised that overlaps any of these.
  /// Sorted, disjoint.
  std::span<const Range> literal = {};
};

/// Immutable once loaded; every call is safe from any thread.
class Tokenizer {
 public:
  /// Reads tokenizer.json (and tokenizer_config.json, special_tokens_map.json when present) of a
  /// model folder. Throws Error{kNotFound | kCorrupt | kUnsupported} that names file and field;
  /// sizes and depth are bounded.
  static Tokenizer load(const std::filesystem::path& folder);
  /// From the bytes of tokenizer.json alone.
  static Tokenizer parse(std::string_view tokenizer_json);
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  /// Linear in the text up to a small factor: 1 MB of one character class takes less than 1 s.
  /// Invalid UTF-8 in `text` is replaced by U+FFFD.
  std::vector<TokenId> encode(std::string_view text, const EncodeOptions& options = {}) const;
  /// As tokenizers' decode: the whole text of `ids`; incomplete UTF-8 becomes U+FFFD. Unknown ids
  /// are skipped.
  std::string decode(std::span<const TokenId> ids, bool skip_special_tokens = true) const;

  /// Ids are 0 … size() - 1 (a model's logits may be wider: ids past this are never sampled).
  std::int32_t size() const;
  bool is_special(TokenId id) const;
  /// The vocabulary's own spelling ("Ġthe", "▁the", "<0x0A>", "</s>"); nullopt for an unknown id.
  std::optional<std::string> token(TokenId id) const;
  std::optional<TokenId> id(std::string_view token) const;
  /// From tokenizer_config.json; "" / nullopt when absent.
  std::string bos_token() const;
  std::string eos_token() const;
  std::optional<TokenId> bos_id() const;
  std::optional<TokenId> eos_id() const;

 private:
  friend class Detokenizer;
  class Impl;
  explicit Tokenizer(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;
};

/// Ids to text as they come. What `push` returns is whole UTF-8 and, joined, equals
/// Tokenizer::decode of all ids.
class Detokenizer {
 public:
  explicit Detokenizer(const Tokenizer& tokenizer, bool skip_special_tokens = true);
  ~Detokenizer();
  Detokenizer(Detokenizer&&) noexcept;
  /// The text that this id settles; "" while a character or a decoder's decision is incomplete.
  /// Amortised constant time.
  std::string push(TokenId id);
  /// What was held back.
  std::string finish();

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace tandem::text
