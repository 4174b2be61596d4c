// Bytes of a server's answer in, status, headers and body out: the client's half of HTTP/1.1 framing. No sockets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "tandem/http/server.h"

namespace tandem::http {

/// Reads one answer; interim ones (1xx) are skipped. Head, chunk lines and trailers are bounded, the body by its receiver.
class ResponseParser {
 public:
  /// Gets the decoded body in pieces, each with the headers of the answer (names in lower case).
  using OnBody = std::function<void(const Headers& headers, std::string_view piece)>;
  explicit ResponseParser(OnBody on_body) : on_body_(std::move(on_body)) {}

  /// Throws Error{kCorrupt} on anything that is not HTTP/1.x.
  void feed(std::string_view bytes);
  /// The server has closed. Throws Error{kIo} when the answer is not whole.
  void finish();

  bool is_done() const { return state_ == State::kDone; }
  int status() const { return status_; }
  /// Names in lower case.
  const Headers& headers() const { return headers_; }

 private:
  enum class State { kHead, kLength, kChunkLine, kChunkData, kChunkEnd, kTrailers, kToClose, kDone };

  bool step();
  bool read_head();
  void parse_head(std::string_view head);
  void choose_framing();
  bool read_chunk_line();
  bool read_trailer();
  void take_body(std::size_t bytes);
  bool take_line(std::string& line);

  OnBody on_body_;
  State state_ = State::kHead;
  std::string buffer_;
  std::uint64_t left_ = 0;  // bytes of the body or chunk to come
  std::size_t trailer_bytes_ = 0;
  int status_ = 0;
  Headers headers_;
};

}  // namespace tandem::http
