// The parts of a loaded tokenizer; shared by tokenizer.cc and detokenizer.cc.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "tandem/text/added_tokens.h"
#include "tandem/text/bpe.h"
#include "tandem/text/decoder.h"
#include "tandem/text/normalizer.h"
#include "tandem/text/post_processor.h"
#include "tandem/text/pre_tokenizer.h"
#include "tandem/text/tokenizer.h"
#include "tandem/text/tokenizer_json.h"
#include "tandem/text/vocabulary.h"

namespace tandem::text {

class Tokenizer::Impl {
 public:
  explicit Impl(TokenizerJson file);

  std::vector<TokenId> encode(std::string_view text, const EncodeOptions& options) const;
  /// The spelling that decoding starts from; nullptr for an unknown id.
  const std::string* token(TokenId id) const;
  std::optional<TokenId> id(std::string_view token) const;
  bool is_special(TokenId id) const;
  /// The spelling, or nullptr when it is unknown or left out.
  const std::string* decodable(TokenId id, bool skip_special_tokens) const;
  std::int32_t size() const;

  Decoder decoder;
  std::string bos_token, eos_token;  ///< empty: none

 private:
  void encode_stretch(AlignedText text, std::span<const Range> literal,
                      std::vector<TokenId>& ids) const;
  void encode_words(const AlignedText& text, std::vector<TokenId>& ids) const;

  Vocabulary vocabulary_;
  std::unique_ptr<Normalizer> normalizer_;       ///< may be null
  std::unique_ptr<PreTokenizer> pre_tokenizer_;  ///< may be null
  std::unique_ptr<Bpe> model_;
  AddedTokens added_tokens_;
  PostProcessor post_processor_;
};

}  // namespace tandem::text
