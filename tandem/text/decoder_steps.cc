#include "tandem/text/decoder_steps.h"

#include <algorithm>
#include <cstdlib>
#include <optional>

#include "tandem/text/byte_alphabet.h"
#include "tandem/text/unicode.h"

namespace tandem::text {
namespace {

/// The byte of "<0x0A>"; hexadecimal digits of either case.
std::optional<char> fallback_byte(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return std::nullopt;
  int value = 0;
  // Rust's from_str_radix, which `tokenizers` uses, takes a sign too.
  const std::size_t digits = token[3] == '+' ? 4 : 3;
  for (std::size_t i = digits; i < 5; ++i) {
    const char c = token[i];
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : -1;
    if (digit < 0) return std::nullopt;
    value = value * 16 + digit;
  }
  return static_cast<char>(value);
}

/// The bytes that a token of GPT-2's alphabet stands for; the token itself when it has other
/// characters.
std::string level_bytes(const std::string& token) {
  std::string bytes;
  for (std::size_t at = 0; at < token.size(); at += utf8_length(token[at])) {
    const std::optional<char> byte = character_byte(decode_utf8(token, at));
    if (!byte) return token;
    bytes += *byte;
  }
  return bytes;
}

std::string clean_up(std::string text) {
  constexpr std::pair<std::string_view, std::string_view> kRules[] = {
      {" .", "."},   {" ?", "?"},     {" !", "!"},     {" ,", ","},
      {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},   {" do not", " don't"},
      {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
  };
  for (const auto& [from, to] : kRules) text = replace_all(text, from, to);
  return text;
}

}  // namespace

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  if (from.empty()) {
    for (std::size_t at = 0; at < text.size(); at += utf8_length(text[at])) {
      out.append(to).append(text.substr(at, utf8_length(text[at])));
    }
    return out.append(to);
  }
  std::size_t at = 0;
  for (std::size_t found = text.find(from); found != text.npos; found = text.find(from, at)) {
    out.append(text.substr(at, found - at)).append(to);
    at = found + from.size();
  }
  return out.append(text.substr(at));
}

void JoinStep::begin_token() {
  if (inside_) return;
  inside_ = true;
  if (!first_) next_.text(" ");
  first_ = false;
}

void JoinStep::text(std::string_view piece) {
  begin_token();
  next_.text(piece);
}

void JoinStep::end_token() {
  begin_token();
  inside_ = false;
  next_.end_token();
}

void FuseStep::finish() {
  next_.end_token();
  next_.finish();
}

void ByteLevelStep::token(const std::string& token) {
  held_ += level_bytes(token);
  std::string settled;
  std::size_t at = 0;
  while (at < held_.size()) {
    const Utf8Step step = step_utf8(std::string_view(held_).substr(at));
    if (step.kind == Utf8Step::Kind::kIncomplete) break;
    if (step.kind == Utf8Step::Kind::kValid) {
      settled.append(held_, at, step.length);
    } else {
      settled += kReplacement;
    }
    at += step.length;
  }
  held_.erase(0, at);
  if (!settled.empty()) next_.text(settled);
}

void ByteLevelStep::finish() {
  if (!held_.empty()) next_.text(kReplacement);
  held_.clear();
  next_.end_token();
  next_.finish();
}

void ByteFallbackStep::token(const std::string& token) {
  if (const std::optional<char> byte = fallback_byte(token)) {
    take(*byte);
    return;
  }
  end_run();
  emit(token);
}

void ByteFallbackStep::take(char byte) {
  if (broken_) {
    emit(kReplacement);
    return;
  }
  run_ += byte;
  const Utf8Step step = step_utf8(std::string_view(run_).substr(checked_));
  if (step.kind == Utf8Step::Kind::kValid) checked_ = run_.size();
  if (step.kind != Utf8Step::Kind::kInvalid) return;
  broken_ = true;
  for (std::size_t i = 0; i < run_.size(); ++i) emit(kReplacement);
  run_.clear();
}

void ByteFallbackStep::end_run() {
  if (checked_ == run_.size()) {
    if (!run_.empty()) emit(run_);
  } else {
    for (std::size_t i = 0; i < run_.size(); ++i) emit(kReplacement);
  }
  run_.clear();
  checked_ = 0;
  broken_ = false;
}

void ByteFallbackStep::finish() {
  end_run();
  next_.finish();
}

void ReplaceStringStep::text(std::string_view piece) {
  held_ += piece;
  std::string settled;
  std::size_t at = 0;
  for (std::size_t found = held_.find(pattern_); found != held_.npos;
       found = held_.find(pattern_, at)) {
    settled.append(held_, at, found - at).append(content_);
    at = found + pattern_.size();
  }
  // The longest end that begins the pattern stays.
  std::size_t keep = std::min(pattern_.size() - 1, held_.size() - at);
  while (keep > 0 && !std::string_view(pattern_).starts_with(
                         std::string_view(held_).substr(held_.size() - keep)))
    --keep;
  settled.append(held_, at, held_.size() - keep - at);
  held_.erase(0, held_.size() - keep);
  if (!settled.empty()) next_.text(settled);
}

void ReplaceStringStep::end_token() {
  if (!held_.empty()) next_.text(held_);
  held_.clear();
  next_.end_token();
}

void ReplaceRegexStep::token(const std::string& token) {
  std::string out;
  std::size_t at = 0;
  for (const Range& match : pattern_->find_all(token)) {
    out.append(token, at, match.begin - at).append(content_);
    at = match.end;
  }
  emit(out.append(token, at));
}

void StripStep::text(std::string_view piece) {
  std::string settled;
  for (std::size_t at = 0; at < piece.size();) {
    const std::string_view character = piece.substr(at, utf8_length(piece[at]));
    at += character.size();
    const bool matches = character == content_;
    if (beginning_ && matches && stripped_ < start_) {
      ++stripped_;
      continue;
    }
    beginning_ = false;
    if (matches && held_ < stop_) {
      ++held_;
      continue;
    }
    if (!matches) {
      for (; held_ > 0; --held_) settled += content_;
    }
    settled += character;
  }
  if (!settled.empty()) next_.text(settled);
}

void StripStep::end_token() {
  beginning_ = true;
  stripped_ = 0;
  held_ = 0;
  next_.end_token();
}

void MetaspaceStep::text(std::string_view piece) {
  next_.text(replace_all(piece, mark_, drop_ ? "" : " "));
}

void MetaspaceStep::end_token() {
  drop_ = false;
  next_.end_token();
}

void BpeSuffixStep::token(const std::string& token) {
  if (holds_) emit(replace_all(held_, suffix_, " "));
  held_ = token;
  holds_ = true;
}

void BpeSuffixStep::finish() {
  if (holds_) emit(replace_all(held_, suffix_, ""));
  next_.finish();
}

void WordPieceStep::token(const std::string& token) {
  std::string word = token;
  if (!first_) word = word.starts_with(prefix_) ? word.substr(prefix_.size()) : " " + word;
  first_ = false;
  emit(cleanup_ ? clean_up(std::move(word)) : word);
}

}  // namespace tandem::text
