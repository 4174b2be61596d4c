#include "tandem/http/request_reader.h"

// Beast is seen by this file only: its parser is the piece with the longest record against hostile bytes, and its message
// types and stream operations, which cost most of its compile time, are not used.
#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>
#include <exception>
#include <limits>
#include <utility>

#include "tandem/base/error.h"
#include "tandem/base/hash.h"
#include "tandem/base/strings.h"
#include "tandem/http/target.h"

namespace tandem::http {
namespace {

namespace beast_http = boost::beast::http;
using BeastView = boost::beast::string_view;
using boost::beast::error_code;

// Method, two spaces, version and line end, beside the target.
constexpr std::size_t kRequestLineExtra = 64;
// A chunk's size line with its extensions, and the trailers: nobody sends more than a few bytes.
constexpr std::size_t kMaxChunkLineBytes = 4 << 10;
// "0 CR LF CR LF": a chunked body cannot end with fewer unread bytes, and Beast asserts that it does not see fewer when the
// first chunk is the last.
constexpr std::size_t kMinChunkedBytes = 5;

std::string_view view(BeastView text) { return {text.data(), text.size()}; }

int status_of(error_code error) {
  if (error == beast_http::error::body_limit) return 413;
  if (error == beast_http::error::header_limit) return 431;
  if (error == beast_http::error::bad_version) return 505;
  return 400;
}

std::size_t count(const Request& request, std::string_view name) {
  return static_cast<std::size_t>(std::count_if(request.headers.begin(), request.headers.end(),
                                                [name](const auto& header) { return header.first == name; }));
}

}  // namespace

// Fills a Request from Beast's callbacks. Boost 1.90 added on_trailer_field_impl to the virtual functions, so none of them
// is marked `override`: with older releases there is nothing to override.
class RequestReader::Parser final : public beast_http::basic_parser<true> {
 public:
  Parser(Request& request, const Limits& limits) : request_(request), limits_(limits) {
    header_limit(static_cast<std::uint32_t>(
        std::min<std::size_t>(limits.max_header_bytes + 4, std::numeric_limits<std::uint32_t>::max())));
    body_limit(limits.max_body_bytes);
    eager(true);
  }

  int version() const { return version_; }

  void on_request_impl(beast_http::verb, BeastView method, BeastView target, int version, error_code&) {
    request_.method = view(method);
    request_.target = view(target);
    version_ = version;
  }
  void on_response_impl(int, BeastView, int, error_code&) {}
  void on_field_impl(beast_http::field, BeastView name, BeastView value, error_code& error) {
    // Up to Boost 1.89 trailers come here, too. Nobody needs them, and as headers they would slip past the filter.
    if (is_head_done_) return;
    if (request_.headers.size() >= limits_.max_headers) {
      error = beast_http::error::header_limit;
      return;
    }
    request_.headers.emplace_back(to_lower(view(name)), std::string(trim(view(value))));
  }
  void on_trailer_field_impl(beast_http::field, BeastView, BeastView, error_code&) {}
  void on_header_impl(error_code&) { is_head_done_ = true; }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) {}
  std::size_t on_body_impl(BeastView body, error_code& error) { return keep(body, error); }
  void on_chunk_header_impl(std::uint64_t, BeastView, error_code&) {}
  std::size_t on_chunk_body_impl(std::uint64_t, BeastView body, error_code& error) { return keep(body, error); }
  void on_finish_impl(error_code&) {}

 private:
  std::size_t keep(BeastView body, error_code& error) {
    if (body.size() > limits_.max_body_bytes - request_.body.size()) {
      error = beast_http::error::body_limit;
      return 0;
    }
    request_.body.append(body.data(), body.size());
    return body.size();
  }

  Request& request_;
  const Limits& limits_;
  int version_ = 11;
  bool is_head_done_ = false;
};

RequestReader::RequestReader(const Limits& limits) : limits_(limits) {}
RequestReader::~RequestReader() = default;

void RequestReader::append(std::string_view bytes) { buffer_.append(bytes); }

RequestReader::State RequestReader::advance() {
  if (state_ == State::kIdle || state_ == State::kHead) read_head();
  if (state_ == State::kBody) read_body();
  return state_;
}

RequestReader::State RequestReader::accept_body() {
  state_ = has_body_ ? State::kBody : State::kDone;
  return advance();
}

void RequestReader::next() {
  state_ = State::kIdle;
  request_ = {};
  parser_.reset();
  scanned_ = 0;
  if (buffer_.empty()) buffer_.shrink_to_fit();
}

void RequestReader::read_head() {
  // RFC 9112 §2.2: empty lines before a request are ignored.
  if (state_ == State::kIdle) {
    std::size_t skip = 0;
    while (buffer_.compare(skip, 2, "\r\n") == 0) skip += 2;
    buffer_.erase(0, skip);
    if (buffer_.empty() || buffer_ == "\r") return;
    state_ = State::kHead;
    // Methods are words. A TLS client would send no line end, and wait for the timeout.
    const char first = buffer_.front();
    if ((first < 'A' || first > 'Z') && (first < 'a' || first > 'z')) {
      return fail(400, "malformed request: not HTTP (https is not spoken here)");
    }
  }
  const std::size_t line_end = buffer_.find('\n');
  const std::size_t line_bytes = std::min(line_end, buffer_.size());
  if (line_bytes > limits_.max_target_bytes + kRequestLineExtra) {
    return fail(414, "the request line is longer than " + std::to_string(limits_.max_target_bytes) + " bytes");
  }
  if (line_end != std::string::npos && (line_end == 0 || buffer_[line_end - 1] != '\r')) {
    return fail(400, "malformed request: lines must end in CR LF");
  }
  const std::size_t end = buffer_.find("\r\n\r\n", scanned_);
  const std::size_t head_bytes = end == std::string::npos ? buffer_.size() : end + 4;
  if (head_bytes > limits_.max_header_bytes) {
    return fail(431, "the headers are longer than " + std::to_string(limits_.max_header_bytes) + " bytes");
  }
  if (end != std::string::npos) return parse_head(head_bytes);
  scanned_ = buffer_.size() < 3 ? 0 : buffer_.size() - 3;
}

void RequestReader::parse_head(std::size_t head_bytes) {
  parser_ = std::make_unique<Parser>(request_, limits_);
  error_code error;
  parser_->put(boost::asio::const_buffer(buffer_.data(), head_bytes), error);
  if (error == beast_http::error::need_more) error = {};  // the body is not here
  if (error == beast_http::error::body_limit) {
    return fail(413, "the body is longer than " + std::to_string(limits_.max_body_bytes) + " bytes");
  }
  if (error || !parser_->is_header_done()) return fail(status_of(error), "malformed request: " + error.message());
  buffer_.erase(0, head_bytes);
  is_http10_ = parser_->version() < 11;
  keep_alive_ = parser_->keep_alive();
  has_body_ = !parser_->is_done();
  state_ = State::kHeadDone;
  try {
    check_head();
    check_framing();
  } catch (const Error& e) {
    fail(400, e.what());
  }
}

// Target and Host: what routing and filters rely on.
void RequestReader::check_head() {
  if (request_.target.size() > limits_.max_target_bytes) return fail(414, "the request target is too long");
  Target target = parse_target(request_.method, request_.target);
  request_.path = std::move(target.path);
  request_.query = std::move(target.query);
  const std::size_t hosts = count(request_, "host");
  if (hosts > 1) return fail(400, "more than one Host header");
  if (hosts == 0 && !is_http10_) return fail(400, "the Host header is missing");
  const std::string_view host = request_.header("host");
  if (!is_valid_host(host)) return fail(400, "bad Host header");
  // RFC 9112 §3.2.2 lets the target win; a difference has no honest reason, so a filter on Host need not know that.
  if (!target.authority.empty() && hosts > 0 && to_lower(target.authority) != to_lower(host)) {
    return fail(400, "Host header and request target name different hosts");
  }
  if (!target.authority.empty() && hosts == 0) request_.headers.emplace_back("host", target.authority);
}

// Where the body ends must be beyond doubt, or a proxy in front could see other requests than we do.
void RequestReader::check_framing() {
  if (state_ == State::kFailed) return;
  const std::size_t encodings = count(request_, "transfer-encoding");
  if (encodings > 0 && count(request_, "content-length") > 0) {
    return fail(400, "Transfer-Encoding and Content-Length together");
  }
  if (encodings > 0 && is_http10_) return fail(400, "Transfer-Encoding in an HTTP/1.0 request");
  if (encodings > 1 || (encodings == 1 && to_lower(request_.header("transfer-encoding")) != "chunked")) {
    return fail(501, "Transfer-Encoding other than chunked");
  }
  const std::string expectation = to_lower(request_.header("expect"));
  if (!expectation.empty() && expectation != "100-continue") return fail(417, "Expect other than 100-continue");
  expects_continue_ = !expectation.empty() && has_body_ && !is_http10_;
}

void RequestReader::read_body() {
  error_code error;
  if (parser_->chunked() && buffer_.size() < kMinChunkedBytes) return;
  while (!buffer_.empty() && !parser_->is_done()) {
    const std::size_t used = parser_->put(boost::asio::const_buffer(buffer_.data(), buffer_.size()), error);
    buffer_.erase(0, used);
    if (error == beast_http::error::need_more) error = {};
    if (error || used == 0) break;
  }
  if (error == beast_http::error::body_limit) {
    return fail(413, "the body is longer than " + std::to_string(limits_.max_body_bytes) + " bytes");
  }
  if (error) return fail(status_of(error), "malformed body: " + error.message());
  if (parser_->is_done()) {
    state_ = State::kDone;
  } else if (buffer_.size() > kMaxChunkLineBytes) {
    fail(400, "malformed body: a chunk's first line or the trailers are too long");
  }
}

void RequestReader::fail(int status, std::string message) {
  state_ = State::kFailed;
  failure_ = {status, std::move(message)};
}

std::string make_request_id(std::string_view client_id) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  };
  if (!client_id.empty() && client_id.size() <= 128 &&
      std::all_of(client_id.begin(), client_id.end(), is_plain)) {
    return std::string(client_id);
  }
  std::uint8_t bytes[16];
  random_bytes(bytes);
  return to_hex(bytes);
}

std::string_view Request::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

}  // namespace tandem::http
