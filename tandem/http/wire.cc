#include "tandem/http/wire.h"

#include "tandem/base/strings.h"
#include "tandem/http/target.h"

namespace tandem::http {
namespace {

void append_header(std::string& out, std::string_view name, std::string_view value) {
  const auto append_clean = [&out](std::string_view text) {
    for (const char c : text) {
      const auto byte = static_cast<unsigned char>(c);
      out += (byte < 0x20 && c != '\t') || byte == 0x7f ? ' ' : c;
    }
  };
  append_clean(name);
  out += ": ";
  append_clean(value);
  out += "\r\n";
}

bool is_framing_header(std::string_view name) {
  const std::string lower = to_lower(name);
  return lower == "content-length" || lower == "transfer-encoding" || lower == "connection" ||
         lower == "x-request-id" || lower == "date";
}

}  // namespace

std::string make_head(int status, const Headers& headers, const HeadOptions& options) {
  // The status line says HTTP/1.1 also to a 1.0 client (RFC 9110 §6.2); only framing and keep-alive differ.
  std::string head = "HTTP/1.1 " + std::to_string(status) + " ";
  head += reason_phrase(status);
  head += "\r\n";
  append_header(head, "Date", format_http_date(options.now));
  for (const auto& [name, value] : headers) {
    if (!is_framing_header(name)) append_header(head, name, value);
  }
  if (!options.request_id.empty()) append_header(head, "x-request-id", options.request_id);
  if (options.framing == Framing::kLength) append_header(head, "Content-Length", std::to_string(options.length));
  if (options.framing == Framing::kChunked) append_header(head, "Transfer-Encoding", "chunked");
  if (!options.keep_alive) append_header(head, "Connection", "close");
  if (options.keep_alive && options.http10) append_header(head, "Connection", "keep-alive");
  head += "\r\n";
  return head;
}

void append_chunk(std::string& out, std::string_view data) {
  if (data.empty()) return;
  out += format("%zx\r\n", data.size());
  out += data;
  out += "\r\n";
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 499: return "Client Closed Request";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    case 507: return "Insufficient Storage";
    default: return "Unknown";
  }
}

std::string format_http_date(std::time_t time) {
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::tm utc{};
  gmtime_r(&time, &utc);
  return format("%s, %02d %s %04d %02d:%02d:%02d GMT", kDays[utc.tm_wday], utc.tm_mday, kMonths[utc.tm_mon],
                utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

}  // namespace tandem::http
