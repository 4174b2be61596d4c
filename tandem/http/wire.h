// The bytes of an answer: status line, headers, chunk frames. Connection calls it; no sockets here.
#pragma once

#include <cstddef>
#include <ctime>
#include <string>
#include <string_view>

#include "tandem/http/server.h"

namespace tandem::http {

/// How the end of a body is told (RFC 9112 §6).
enum class Framing {
  kLength,   ///< Content-Length
  kChunked,  ///< Transfer-Encoding: chunked
  kClose,    ///< the connection ends: for HTTP/1.0
  kNone,     ///< no body and no length: 204, 304
};

struct HeadOptions {
  Framing framing = Framing::kLength;
  std::size_t length = 0;       ///< for kLength
  bool keep_alive = true;
  bool http10 = false;          ///< the client speaks HTTP/1.0
  std::string_view request_id;  ///< empty: no x-request-id
  std::time_t now = 0;          ///< for Date; wall clock
};

/// Status line and headers with the empty line behind them. Framing headers among `headers` are dropped, and control
/// characters in names and values become spaces, so no caller can break the framing.
std::string make_head(int status, const Headers& headers, const HeadOptions& options);

/// Appends `data` as one chunk; nothing when it is empty, since that would be the end.
void append_chunk(std::string& out, std::string_view data);

/// The chunk that ends a chunked body.
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";
inline constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

/// "Not Found" for 404; "Unknown" for a status without a name here.
std::string_view reason_phrase(int status);

/// "Sun, 06 Nov 1994 08:49:37 GMT", independent of the locale.
std::string format_http_date(std::time_t time);

}  // namespace tandem::http
