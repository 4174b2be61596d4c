#include "tandem/http/response_parser.h"

#include <algorithm>
#include <optional>

#include "tandem/base/error.h"
#include "tandem/base/strings.h"
#include "tandem/http/target.h"

namespace tandem::http {
namespace {

constexpr std::size_t kMaxHeadBytes = 64 << 10;
constexpr std::size_t kMaxLineBytes = 4 << 10;
constexpr std::size_t kMaxChunkDigits = 15;

[[noreturn]] void fail(const std::string& why) { throw Error(Code::kCorrupt, "HTTP answer: " + why); }

std::optional<std::string_view> find_header(const Headers& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return std::nullopt;
}

std::uint64_t parse_chunk_size(std::string_view line) {
  const std::string_view digits = trim(line.substr(0, line.find(';')));
  if (digits.empty() || digits.size() > kMaxChunkDigits) fail("bad chunk size");
  std::uint64_t size = 0;
  for (const char c : to_lower(digits)) {
    const bool is_digit = c >= '0' && c <= '9';
    if (!is_digit && (c < 'a' || c > 'f')) fail("bad chunk size");
    size = size * 16 + static_cast<std::uint64_t>(is_digit ? c - '0' : c - 'a' + 10);
  }
  return size;
}

}  // namespace

void ResponseParser::feed(std::string_view bytes) {
  if (is_done()) return;
  buffer_ += bytes;
  while (step()) {
  }
  if (is_done()) buffer_.clear();
}

void ResponseParser::finish() {
  if (state_ == State::kToClose) state_ = State::kDone;
  if (is_done()) return;
  throw Error(Code::kIo, state_ == State::kHead ? "HTTP answer: the server closed the connection without answering"
                                                : "HTTP answer: the server closed the connection before the end");
}

// One piece of progress; false when more bytes are needed.
bool ResponseParser::step() {
  switch (state_) {
    case State::kHead: return read_head();
    case State::kChunkLine: return read_chunk_line();
    case State::kTrailers: return read_trailer();
    case State::kDone: return false;
    case State::kToClose:
      take_body(buffer_.size());
      return false;
    case State::kLength:
    case State::kChunkData: {
      if (buffer_.empty()) return false;
      const std::size_t bytes = static_cast<std::size_t>(std::min<std::uint64_t>(left_, buffer_.size()));
      left_ -= bytes;
      const State after = state_ == State::kLength ? State::kDone : State::kChunkEnd;
      take_body(bytes);
      if (left_ == 0) state_ = after;
      return true;
    }
    case State::kChunkEnd: {
      std::string line;
      if (!take_line(line)) return false;
      if (!line.empty()) fail("chunk longer than its size");
      state_ = State::kChunkLine;
      return true;
    }
  }
  return false;
}

bool ResponseParser::read_head() {
  const std::size_t end = buffer_.find("\r\n\r\n");
  if (std::min(end, buffer_.size()) > kMaxHeadBytes) fail("the headers are too long");
  if (buffer_.size() >= 5 && !buffer_.starts_with("HTTP/")) fail("not HTTP; is another program on that port?");
  if (end == std::string::npos) return false;
  parse_head(std::string_view(buffer_).substr(0, end));
  buffer_.erase(0, end + 4);
  if (status_ >= 200) choose_framing();
  return true;
}

void ResponseParser::parse_head(std::string_view head) {
  headers_.clear();
  const std::vector<std::string> lines = split(head, '\n');
  const std::string_view first = trim(lines.front());
  const auto code = first.size() >= 12 ? parse_int(first.substr(9, 3)) : std::nullopt;
  if (!first.starts_with("HTTP/1.") || first[8] != ' ' || !code || *code < 100) fail("bad status line");
  status_ = static_cast<int>(*code);
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const std::size_t colon = lines[i].find(':');
    if (colon == std::string::npos || colon == 0) fail("bad header");
    const std::string_view line = lines[i];
    headers_.emplace_back(to_lower(line.substr(0, colon)), std::string(trim(line.substr(colon + 1))));
  }
}

void ResponseParser::choose_framing() {
  state_ = State::kToClose;
  if (status_ == 204 || status_ == 304) {
    state_ = State::kDone;
  } else if (const auto encoding = find_header(headers_, "transfer-encoding")) {
    if (to_lower(*encoding) != "chunked") fail("unknown Transfer-Encoding");
    state_ = State::kChunkLine;
  } else if (const auto length = find_header(headers_, "content-length")) {
    const auto bytes = parse_int(*length);
    if (!bytes || *bytes < 0) fail("bad Content-Length");
    left_ = static_cast<std::uint64_t>(*bytes);
    state_ = left_ == 0 ? State::kDone : State::kLength;
  }
}

bool ResponseParser::read_chunk_line() {
  std::string line;
  if (!take_line(line)) return false;
  left_ = parse_chunk_size(line);
  state_ = left_ == 0 ? State::kTrailers : State::kChunkData;
  return true;
}

bool ResponseParser::read_trailer() {
  std::string line;
  if (!take_line(line)) return false;
  trailer_bytes_ += line.size();
  if (trailer_bytes_ > kMaxHeadBytes) fail("the trailers are too long");
  if (line.empty()) state_ = State::kDone;
  return true;
}

void ResponseParser::take_body(std::size_t bytes) {
  if (bytes == 0) return;
  const std::string piece = buffer_.substr(0, bytes);
  buffer_.erase(0, bytes);
  on_body_(headers_, piece);
}

bool ResponseParser::take_line(std::string& line) {
  const std::size_t end = buffer_.find("\r\n");
  if (std::min(end, buffer_.size()) > kMaxLineBytes) fail("a line is too long");
  if (end == std::string::npos) return false;
  line = buffer_.substr(0, end);
  buffer_.erase(0, end + 2);
  return true;
}

}  // namespace tandem::http
