#include "tandem/text/tokenizer.h"

#include <algorithm>

#include "tandem/text/json_fields.h"
#include "tandem/text/tokenizer_files.h"
#include "tandem/text/tokenizer_impl.h"

namespace tandem::text {
namespace {

const std::string kFile = "tokenizer.json";

/// Offsets are 32 bits wide, and a merge may address every byte.
constexpr std::size_t kMaxTextBytes = 1 << 30;

}  // namespace

Tokenizer::Impl::Impl(TokenizerJson file) {
  const Json& fields = file.fields;
  const BpeOptions options =
      read_bpe_options(require_field(fields, "model", kFile), kFile + ": model");
  if (file.vocab.empty()) throw_corrupt(kFile, "model.vocab is missing or empty");
  vocabulary_ = Vocabulary(std::move(file.vocab));
  model_ = std::make_unique<Bpe>(vocabulary_, file.merges, options);
  if (const Json* json = find_field(fields, "normalizer", kFile)) {
    normalizer_ = make_normalizer(*json, kFile + ": normalizer");
  }
  if (const Json* json = find_field(fields, "pre_tokenizer", kFile)) {
    pre_tokenizer_ = make_pre_tokenizer(*json, kFile + ": pre_tokenizer");
  }
  if (const Json* json = find_field(fields, "post_processor", kFile)) {
    post_processor_ = read_post_processor(*json, kFile + ": post_processor");
  }
  if (const Json* json = find_field(fields, "decoder", kFile))
    decoder = Decoder(*json, kFile + ": decoder");
  if (const Json* json = find_field(fields, "added_tokens", kFile)) {
    added_tokens_ = AddedTokens(*json, vocabulary_, normalizer_.get());
  }
}

std::vector<TokenId> Tokenizer::Impl::encode(std::string_view text,
                                             const EncodeOptions& options) const {
  if (text.size() > kMaxTextBytes) {
    throw Error(Code::kInvalidArgument,
                "a text of " + std::to_string(text.size()) + " bytes is too long to encode");
  }
  std::vector<TokenId> ids;
  if (options.add_special_tokens) ids = post_processor_.prefix;
  const AlignedText whole = AlignedText::from_bytes(text);
  for (const auto& part :
       added_tokens_.split(whole, AddedTokens::Stage::kBeforeNormalization, options.literal)) {
    if (part.id) {
      ids.push_back(*part.id);
    } else {
      encode_stretch(whole.slice(part.range.begin, part.range.end), options.literal, ids);
    }
  }
  if (options.add_special_tokens) {
    ids.insert(ids.end(), post_processor_.suffix.begin(), post_processor_.suffix.end());
  }
  return ids;
}

void Tokenizer::Impl::encode_stretch(AlignedText text, std::span<const Range> literal,
                                     std::vector<TokenId>& ids) const {
  if (normalizer_) normalizer_->apply(text);
  for (const auto& part :
       added_tokens_.split(text, AddedTokens::Stage::kAfterNormalization, literal)) {
    if (part.id) {
      ids.push_back(*part.id);
    } else {
      encode_words(text.slice(part.range.begin, part.range.end), ids);
    }
  }
}

void Tokenizer::Impl::encode_words(const AlignedText& text, std::vector<TokenId>& ids) const {
  Pieces pieces;
  pieces.text = text.bytes();
  pieces.pieces.push_back({{0, pieces.text.size()}, text.origin(0, 1).begin == 0});
  if (pre_tokenizer_) pre_tokenizer_->apply(pieces);
  for (const Pieces::Piece& piece : pieces.pieces) model_->encode(pieces.view(piece), ids);
}

const std::string* Tokenizer::Impl::token(TokenId id) const {
  const std::string* added = added_tokens_.token(id);
  return added ? added : vocabulary_.token(id);
}

std::optional<TokenId> Tokenizer::Impl::id(std::string_view token) const {
  const std::optional<TokenId> added = added_tokens_.id(token);
  return added ? added : vocabulary_.id(token);
}

bool Tokenizer::Impl::is_special(TokenId id) const { return added_tokens_.is_special(id); }

const std::string* Tokenizer::Impl::decodable(TokenId id, bool skip_special_tokens) const {
  const std::string* spelling = token(id);
  if (!spelling || (skip_special_tokens && added_tokens_.is_left_out(*spelling))) return nullptr;
  return spelling;
}

std::int32_t Tokenizer::Impl::size() const {
  return std::max(vocabulary_.end(), added_tokens_.end());
}

Tokenizer::Tokenizer(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

Tokenizer Tokenizer::parse(std::string_view tokenizer_json) {
  return Tokenizer(std::make_shared<const Impl>(read_tokenizer_json(tokenizer_json)));
}

Tokenizer Tokenizer::load(const std::filesystem::path& folder) {
  auto impl = std::make_shared<Impl>(read_tokenizer_json(read_tokenizer_file(folder)));
  const NamedTokens named = read_named_tokens(folder);
  impl->bos_token = named.bos;
  impl->eos_token = named.eos;
  return Tokenizer(std::move(impl));
}

std::vector<TokenId> Tokenizer::encode(std::string_view text, const EncodeOptions& options) const {
  return impl_->encode(text, options);
}

std::string Tokenizer::decode(std::span<const TokenId> ids, bool skip_special_tokens) const {
  Detokenizer detokenizer(*this, skip_special_tokens);
  std::string text;
  for (const TokenId id : ids) text += detokenizer.push(id);
  return text + detokenizer.finish();
}

std::int32_t Tokenizer::size() const { return impl_->size(); }
bool Tokenizer::is_special(TokenId id) const { return impl_->is_special(id); }

std::optional<std::string> Tokenizer::token(TokenId id) const {
  const std::string* spelling = impl_->token(id);
  return spelling ? std::optional(*spelling) : std::nullopt;
}

std::optional<TokenId> Tokenizer::id(std::string_view token) const { return impl_->id(token); }

std::string Tokenizer::bos_token() const { return impl_->bos_token; }
std::string Tokenizer::eos_token() const { return impl_->eos_token; }
std::optional<TokenId> Tokenizer::bos_id() const {
  return impl_->bos_token.empty() ? std::nullopt : impl_->id(impl_->bos_token);
}
std::optional<TokenId> Tokenizer::eos_id() const {
  return impl_->eos_token.empty() ? std::nullopt : impl_->id(impl_->eos_token);
}

}  // namespace tandem::text
