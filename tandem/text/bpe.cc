#include "tandem/text/bpe.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <queue>

#include "tandem/base/strings.h"
#include "tandem/text/json_fields.h"
#include "tandem/text/unicode.h"

namespace tandem::text {
namespace {

constexpr char32_t kBasicEnd = 0x3000;

std::uint64_t pack(TokenId left, TokenId right) {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 |
         static_cast<std::uint32_t>(right);
}

/// A merge that may still be possible at symbol `at`, in one word: the queue gives lower ranks
/// first, then from the left.
std::uint64_t candidate(std::uint32_t rank, std::int32_t at) {
  return static_cast<std::uint64_t>(rank) << 32 | static_cast<std::uint32_t>(at);
}

}  // namespace

MergeTable::MergeTable(std::size_t count) {
  const std::size_t size = std::bit_ceil(std::max<std::size_t>(count * 2, 16));
  slots_.resize(size);
  shift_ = 64 - std::countr_zero(size);
}

std::size_t MergeTable::slot_of(std::uint64_t pair) const {
  // Fibonacci hashing: the high bits of the product depend on all bits of both ids.
  std::size_t slot = (pair * 0x9E3779B97F4A7C15u) >> shift_;
  while (slots_[slot].pair != pair && slots_[slot].pair != kEmpty)
    slot = (slot + 1) & (slots_.size() - 1);
  return slot;
}

void MergeTable::insert(TokenId left, TokenId right, Merge merge) {
  const std::uint64_t pair = pack(left, right);
  slots_[slot_of(pair)] = {pair, merge};
}

const MergeTable::Merge* MergeTable::find(TokenId left, TokenId right) const {
  const Slot& slot = slots_[slot_of(pack(left, right))];
  return slot.pair == kEmpty ? nullptr : &slot.merge;
}

Bpe::Bpe(const Vocabulary& vocabulary,
         const std::vector<std::pair<std::string, std::string>>& merges, BpeOptions options)
    : vocabulary_(vocabulary),
      options_(std::move(options)),
      merges_(merges.size()),
      basic_ids_(kBasicEnd, -1) {
  const auto require = [&](std::string_view token, std::size_t rank) {
    const std::optional<TokenId> id = vocabulary.id(token);
    if (!id) {
      throw_corrupt("tokenizer.json", "model.merges: entry " + std::to_string(rank) +
                                          " needs the token \"" + std::string(token) +
                                          "\", which model.vocab lacks");
    }
    return *id;
  };
  const std::size_t prefix = options_.continuing_subword_prefix.size();
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    const auto& [left, right] = merges[rank];
    if (right.size() < prefix) {
      throw_corrupt("tokenizer.json",
                    "model.merges: entry " + std::to_string(rank) + " is shorter than the prefix");
    }
    const TokenId left_id = require(left, rank), right_id = require(right, rank);
    const TokenId result = require(left + right.substr(prefix), rank);
    merges_.insert(left_id, right_id, {static_cast<std::uint32_t>(rank), result});
    results_.push_back(result);
  }
  for (char32_t c = 0; c < kBasicEnd; ++c) {
    std::string character;
    append_utf8(character, c);
    basic_ids_[c] = vocabulary.id(character).value_or(-1);
  }
  for (int byte = 0; byte < 256; ++byte)
    byte_ids_.push_back(vocabulary.id(format("<0x%02X>", byte)));
}

std::optional<TokenId> Bpe::character_id(std::string_view character) const {
  const char32_t c = decode_utf8(character, 0);
  if (c >= kBasicEnd || character.size() != static_cast<std::size_t>(utf8_length(character[0]))) {
    return vocabulary_.id(character);
  }
  return basic_ids_[c] < 0 ? std::nullopt : std::optional(basic_ids_[c]);
}

TokenId Bpe::unknown() const {
  const std::optional<TokenId> id = vocabulary_.id(*options_.unk_token);
  if (!id)
    throw_corrupt("tokenizer.json",
                  "model.unk_token \"" + *options_.unk_token + "\" is not in model.vocab");
  return *id;
}

bool Bpe::append_bytes(std::string_view character, std::vector<Symbol>& symbols) const {
  for (const char byte : character) {
    if (!byte_ids_[static_cast<unsigned char>(byte)]) return false;
  }
  for (const char byte : character)
    symbols.push_back({*byte_ids_[static_cast<unsigned char>(byte)], 0, 0});
  return true;
}

std::vector<Bpe::Symbol> Bpe::symbols(std::string_view word) const {
  std::vector<Symbol> symbols;
  symbols.reserve(word.size());
  std::optional<TokenId>
      pending_unknown;  // waits for its successor: neighbours may be fused with it
  const bool plain =
      options_.continuing_subword_prefix.empty() && options_.end_of_word_suffix.empty();
  std::string decorated;
  for (std::size_t at = 0; at < word.size();) {
    const std::size_t length = utf8_length(word[at]);
    std::string_view character = word.substr(at, length);
    if (!plain) {
      decorated = at > 0 ? options_.continuing_subword_prefix : "";
      decorated += character;
      if (at + length == word.size()) decorated += options_.end_of_word_suffix;
      character = decorated;
    }
    at += length;
    if (const std::optional<TokenId> id = character_id(character)) {
      if (pending_unknown) symbols.push_back({*pending_unknown, 0, 0});
      pending_unknown.reset();
      symbols.push_back({*id, 0, 0});
    } else if (options_.byte_fallback && append_bytes(character, symbols)) {
      continue;
    } else if (options_.unk_token) {
      if (pending_unknown && !options_.fuse_unk) symbols.push_back({*pending_unknown, 0, 0});
      pending_unknown = unknown();
    }
  }
  if (pending_unknown) symbols.push_back({*pending_unknown, 0, 0});
  for (std::size_t i = 0; i < symbols.size(); ++i) {
    symbols[i].previous = static_cast<std::int32_t>(i) - 1;
    symbols[i].next = i + 1 < symbols.size() ? static_cast<std::int32_t>(i + 1) : -1;
  }
  return symbols;
}

void Bpe::merge(std::vector<Symbol>& symbols) const {
  std::vector<std::uint64_t> first;
  for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
    const MergeTable::Merge* merge = merges_.find(symbols[i].id, symbols[i + 1].id);
    if (merge) first.push_back(candidate(merge->rank, static_cast<std::int32_t>(i)));
  }
  std::priority_queue<std::uint64_t, std::vector<std::uint64_t>, std::greater<>> queue(
      {}, std::move(first));
  const auto offer = [&](std::int32_t at) {
    if (at < 0 || symbols[at].next < 0) return;
    const MergeTable::Merge* merge = merges_.find(symbols[at].id, symbols[symbols[at].next].id);
    if (merge) queue.push(candidate(merge->rank, at));
  };
  while (!queue.empty()) {
    const auto at = static_cast<std::int32_t>(queue.top() & 0xFFFFFFFF);
    const TokenId result = results_[queue.top() >> 32];
    queue.pop();
    Symbol& left = symbols[at];
    if (left.removed || left.next < 0) continue;
    Symbol& right = symbols[left.next];
    const MergeTable::Merge* merge = merges_.find(left.id, right.id);
    if (!merge || merge->result != result)
      continue;  // one of the two has merged with another since
    left.id = result;
    left.next = right.next;
    right.removed = true;
    if (left.next >= 0) symbols[left.next].previous = at;
    offer(left.previous);
    offer(at);
  }
}

void Bpe::encode(std::string_view word, std::vector<TokenId>& ids) const {
  if (word.empty()) return;
  if (options_.ignore_merges) {
    if (const std::optional<TokenId> id = vocabulary_.id(word)) {
      ids.push_back(*id);
      return;
    }
  }
  std::vector<Symbol> word_symbols = symbols(word);
  merge(word_symbols);
  for (const Symbol& symbol : word_symbols) {
    if (!symbol.removed) ids.push_back(symbol.id);
  }
}

BpeOptions read_bpe_options(const Json& model, const std::string& where) {
  // Files written before 2021 have no type.
  const std::string type = string_or(model, "type", "BPE", where);
  if (type != "BPE") {
    throw Error(Code::kUnsupported,
                where + ": a model of type \"" + type + "\" is not supported, only BPE is");
  }
  const Json* dropout = find_field(model, "dropout", where);
  if (dropout && !dropout->is_number()) throw_corrupt(where, "\"dropout\" must be a number");
  if (dropout && dropout->get<double>() != 0) {
    throw Error(Code::kUnsupported,
                where + ": dropout is not supported: the same text would give other ids each time");
  }
  BpeOptions options;
  if (find_field(model, "unk_token", where))
    options.unk_token = require_string(model, "unk_token", where);
  options.continuing_subword_prefix = string_or(model, "continuing_subword_prefix", "", where);
  options.end_of_word_suffix = string_or(model, "end_of_word_suffix", "", where);
  options.fuse_unk = bool_or(model, "fuse_unk", false, where);
  options.byte_fallback = bool_or(model, "byte_fallback", false, where);
  options.ignore_merges = bool_or(model, "ignore_merges", false, where);
  return options;
}

}  // namespace tandem::text
