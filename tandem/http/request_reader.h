// Bytes of a connection in, checked requests out: HTTP/1.x framing (Boost.Beast's parser) with every bound of Limits that is
// a size. Knows no sockets and no clock; Connection feeds it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "tandem/http/server.h"

namespace tandem::http {

class RequestReader {
 public:
  enum class State {
    kIdle,      ///< not one byte of a request
    kHead,      ///< part of a head
    kHeadDone,  ///< request() has all but the body; accept_body() goes on
    kBody,      ///< part of the body
    kDone,      ///< request() is whole
    kFailed,    ///< failure() says why; the connection cannot be used further
  };
  struct Failure {
    int status = 400;
    std::string message;
  };

  /// `limits` must outlive the reader.
  explicit RequestReader(const Limits& limits);
  ~RequestReader();
  RequestReader(const RequestReader&) = delete;
  RequestReader& operator=(const RequestReader&) = delete;

  /// Keeps bytes for the next advance().
  void append(std::string_view bytes);
  /// Parses what is there, at most to the next of kHeadDone, kDone and kFailed. Whatever pieces they come in, a byte
  /// costs at most one look at a line of max_target_bytes.
  State advance();
  /// In kHeadDone: goes on with the body, or to kDone when there is none.
  State accept_body();
  /// In kDone: forgets the request and turns to the bytes behind it.
  void next();

  State state() const { return state_; }
  const Failure& failure() const { return failure_; }
  /// From kHeadDone on; may be moved from in kDone.
  Request& request() { return request_; }

  bool has_body() const { return has_body_; }
  bool keep_alive() const { return keep_alive_; }
  bool is_http10() const { return is_http10_; }
  /// The client waits for "100 Continue" before it sends the body.
  bool expects_continue() const { return expects_continue_; }
  /// Bytes held that no request has taken yet.
  std::size_t buffered_bytes() const { return buffer_.size(); }

 private:
  class Parser;

  void read_head();
  void parse_head(std::size_t head_bytes);
  void check_head();
  void check_framing();
  void read_body();
  void fail(int status, std::string message);

  const Limits& limits_;
  State state_ = State::kIdle;
  Failure failure_;
  Request request_;
  std::string buffer_;
  std::size_t scanned_ = 0;  // bytes of buffer_ known not to end a head
  std::unique_ptr<Parser> parser_;
  bool has_body_ = false, keep_alive_ = false, is_http10_ = false, expects_continue_ = false;
};

/// `client_id` when it may be used as a request id ([A-Za-z0-9._-]{1,128}), else 32 random hexadecimal digits.
std::string make_request_id(std::string_view client_id);

}  // namespace tandem::http
