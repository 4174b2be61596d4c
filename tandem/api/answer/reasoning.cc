// The <think> splitter; see reasoning.h.
#include "tandem/api/answer/reasoning.h"

#include <algorithm>

namespace tandem::api {
namespace {

constexpr std::string_view kOpen = "<think>";
constexpr std::string_view kClose = "</think>";
constexpr std::string_view kSpace = " \t\r\n";

/// The length of the longest tail of `text` that `word` begins with.
std::size_t partial_match(std::string_view text, std::string_view word) {
  for (std::size_t size = std::min(text.size(), word.size() - 1); size > 0; --size) {
    if (text.substr(text.size() - size) == word.substr(0, size)) return size;
  }
  return 0;
}

}  // namespace

ReasoningSplitter::ReasoningSplitter(Mode mode)
    : state_(mode == Mode::kOff      ? State::kContent
             : mode == Mode::kInside ? State::kInside
                                     : State::kStart) {}

ReasoningSplitter::Split ReasoningSplitter::push(std::string_view text) {
  Split out;
  if (state_ == State::kContent) {
    out.content = text;
    return out;
  }
  held_ += text;
  if (state_ == State::kStart) begin(out);
  if (state_ == State::kInside) inside(out);
  if (state_ == State::kAfter) after(out);
  return out;
}

ReasoningSplitter::Split ReasoningSplitter::finish() {
  Split out;
  if (state_ == State::kInside) {
    const std::size_t end = held_.find_last_not_of(kSpace);
    out.reasoning = end == std::string::npos ? "" : held_.substr(0, end + 1);
    if (trim_reasoning_)
      out.reasoning.erase(0,
                          std::min(out.reasoning.find_first_not_of(kSpace), out.reasoning.size()));
  } else if (state_ == State::kStart) {
    out.content = held_;
  }
  held_.clear();
  return out;
}

void ReasoningSplitter::begin(Split& out) {
  const std::size_t first = held_.find_first_not_of(kSpace);
  if (first == std::string::npos) return;
  const std::string_view rest = std::string_view(held_).substr(first);
  if (rest.substr(0, kOpen.size()) == kOpen) {
    held_.erase(0, first + kOpen.size());
    state_ = State::kInside;
  } else if (kOpen.substr(0, rest.size()) != rest) {
    out.content = std::move(held_);
    held_.clear();
    state_ = State::kContent;
  }
}

void ReasoningSplitter::inside(Split& out) {
  if (trim_reasoning_) {
    held_.erase(0, std::min(held_.find_first_not_of(kSpace), held_.size()));
    if (held_.empty()) return;
    trim_reasoning_ = false;
  }
  const std::size_t close = held_.find(kClose);
  // White space before the tag is not reasoning, so any at the end must wait.
  const std::size_t undecided =
      close == std::string::npos ? held_.size() - partial_match(held_, kClose) : close;
  const std::size_t last = held_.find_last_not_of(kSpace, undecided == 0 ? 0 : undecided - 1);
  const std::size_t settled = undecided == 0 || last == std::string::npos ? 0 : last + 1;
  out.reasoning = held_.substr(0, settled);
  if (close == std::string::npos) {
    held_.erase(0, settled);
  } else {
    held_.erase(0, close + kClose.size());
    state_ = State::kAfter;
  }
}

void ReasoningSplitter::after(Split& out) {
  const std::size_t first = held_.find_first_not_of(kSpace);
  if (first == std::string::npos) {
    held_.clear();
    return;
  }
  out.content = held_.substr(first);
  held_.clear();
  state_ = State::kContent;
}

}  // namespace tandem::api
