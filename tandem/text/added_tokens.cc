#include "tandem/text/added_tokens.h"

#include <algorithm>

#include "tandem/text/json_fields.h"
#include "tandem/text/tokenizer_json.h"
#include "tandem/text/unicode.h"

namespace tandem::text {
namespace {

/// Bounds the trie, and the steps at one byte of a text.
constexpr std::size_t kMaxContentBytes = 1 << 10;
constexpr std::size_t kMaxContentTotal = 4 << 20;

AddedToken read_token(const Json& json, const std::string& where) {
  AddedToken token;
  token.content = require_string(json, "content", where);
  if (token.content.size() > kMaxContentBytes) {
    throw Error(Code::kUnsupported, where + ": an added token of " +
                                        std::to_string(token.content.size()) + " bytes, at most " +
                                        std::to_string(kMaxContentBytes) + " are read");
  }
  token.single_word = bool_or(json, "single_word", false, where);
  token.lstrip = bool_or(json, "lstrip", false, where);
  token.rstrip = bool_or(json, "rstrip", false, where);
  token.special = bool_or(json, "special", false, where);
  token.normalized = bool_or(json, "normalized", !token.special, where);
  return token;
}

bool overlaps(const Range& range, std::span<const Range> sorted) {
  const auto after = std::upper_bound(sorted.begin(), sorted.end(), range.begin,
                                      [](std::size_t at, const Range& r) { return at < r.end; });
  return after != sorted.end() && after->begin < range.end && after->begin < after->end;
}

bool is_single_word(std::string_view text, std::size_t begin, std::size_t end) {
  const bool left = begin == 0 || !is_word(last_character(text.substr(0, begin)));
  const bool right = end == text.size() || !is_word(decode_utf8(text, end));
  return left && right;
}

/// Where the white space that ends at `end` begins, not before `bound`.
std::size_t white_space_before(std::string_view text, std::size_t end, std::size_t bound) {
  while (end > bound && is_white_space(last_character(text.substr(0, end)))) {
    do --end;
    while ((static_cast<unsigned char>(text[end]) & 0xC0) == 0x80);
  }
  return end;
}

std::size_t white_space_end(std::string_view text, std::size_t at) {
  while (at < text.size() && is_white_space(decode_utf8(text, at))) at += utf8_length(text[at]);
  return at;
}

}  // namespace

Trie::Trie() : values_(1, -1) {}

void Trie::insert(std::string_view text, int value) {
  begins_[static_cast<unsigned char>(text[0])] = true;
  std::uint32_t node = 0;
  for (const char byte : text) {
    const auto fresh = static_cast<std::uint32_t>(values_.size());
    const auto [edge, added] =
        edges_.try_emplace(node << 8 | static_cast<unsigned char>(byte), fresh);
    if (added) values_.push_back(-1);
    node = edge->second;
  }
  values_[node] = value;
}

AddedTokens::AddedTokens(const Json& json, const Vocabulary& vocabulary,
                         const Normalizer* normalizer) {
  const std::string where = "tokenizer.json: added_tokens";
  if (json.is_null()) return;
  if (!json.is_array()) throw_corrupt(where, "must be an array");
  std::size_t total = 0;
  for (std::size_t i = 0; i < json.size(); ++i) {
    AddedToken token = read_token(json[i], where + "[" + std::to_string(i) + "]");
    total += token.content.size();
    if (total > kMaxContentTotal)
      throw_corrupt(where, "more than " + std::to_string(kMaxContentTotal) + " bytes of text");
    if (!token.content.empty()) add(std::move(token), vocabulary, normalizer);
  }
  for (const auto& [id, index] : by_id_) {
    end_ = std::max(end_, id + 1);
    if (!spellings_[index].empty())
      (tokens_[index].normalized ? normalized_ : plain_).insert(spellings_[index], index);
  }
}

void AddedTokens::add(AddedToken token, const Vocabulary& vocabulary,
                      const Normalizer* normalizer) {
  const auto known = ids_.find(token.content);
  if (known != ids_.end()) {
    token.id = known->second;
  } else if (const std::optional<TokenId> id = vocabulary.id(token.content)) {
    token.id = *id;
  } else {
    token.id = std::max(end_, static_cast<TokenId>(vocabulary.size()));
    end_ = token.id + 1;
  }
  if (token.id > kMaxTokenId)
    throw_corrupt("tokenizer.json: added_tokens", "ids over " + std::to_string(kMaxTokenId));
  std::string spelling = token.content;
  if (token.normalized && normalizer) {
    AlignedText text = AlignedText::from_bytes(token.content);
    normalizer->apply(text);
    spelling = text.bytes();
  }
  if (token.special) special_.insert(token.content);
  ids_[token.content] = token.id;
  by_id_[token.id] = static_cast<int>(tokens_.size());
  tokens_.push_back(std::move(token));
  spellings_.push_back(std::move(spelling));
}

const AddedToken* AddedTokens::longest_at(const AlignedText& text, std::size_t at, const Trie& trie,
                                          std::span<const Range> literal,
                                          std::size_t& length) const {
  const AddedToken* longest = nullptr;
  trie.each_prefix(std::string_view(text.bytes()).substr(at), [&](std::size_t size, int index) {
    const AddedToken& token = tokens_[index];
    if (token.special && !literal.empty() && overlaps(text.origin(at, at + size), literal)) return;
    longest = &token;
    length = size;
  });
  return longest;
}

std::vector<AddedTokens::Part> AddedTokens::split(const AlignedText& text, Stage stage,
                                                  std::span<const Range> literal) const {
  const Trie& trie = stage == Stage::kBeforeNormalization ? plain_ : normalized_;
  const std::string_view bytes = text.bytes();
  std::vector<Part> parts;
  std::size_t settled = 0;
  for (std::size_t at = 0; at < bytes.size();) {
    std::size_t length = 0;
    const AddedToken* token = longest_at(text, at, trie, literal, length);
    if (!token) {
      ++at;
      continue;
    }
    std::size_t begin = at, end = at + length;
    at = end;
    if (token->single_word && !is_single_word(bytes, begin, end)) continue;
    if (token->lstrip) begin = std::max(white_space_before(bytes, begin, settled), settled);
    if (token->rstrip) end = white_space_end(bytes, end);
    if (settled < begin) parts.push_back({std::nullopt, {settled, begin}});
    parts.push_back({token->id, {begin, end}});
    settled = end;
  }
  if (settled < bytes.size()) parts.push_back({std::nullopt, {settled, bytes.size()}});
  return parts;
}

const std::string* AddedTokens::token(TokenId id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &spellings_[found->second];
}

bool AddedTokens::is_special(TokenId id) const {
  const auto found = by_id_.find(id);
  return found != by_id_.end() && tokens_[found->second].special;
}

std::optional<TokenId> AddedTokens::id(std::string_view content) const {
  const auto found = ids_.find(std::string(content));
  return found == ids_.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace tandem::text
