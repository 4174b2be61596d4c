// A client that says exactly the bytes it is told, for tests of the server.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "tandem/base/error.h"
#include "tandem/base/unique_fd.h"
#include "tandem/http/response_parser.h"
#include "tandem/http/sockets.h"

namespace tandem::http::testing {

struct RawAnswer {
  int status = 0;
  Headers headers;
  std::string body;
  bool is_whole = false;  ///< false: the connection ended first
  std::string_view header(std::string_view name) const {
    for (const auto& [key, value] : headers) {
      if (key == name) return value;
    }
    return {};
  }
};

/// Every wait ends after five seconds.
class RawSocket {
 public:
  explicit RawSocket(std::uint16_t port, const char* host = "127.0.0.1", int receive_buffer_bytes = 0) {
    const bool is_ipv6 = std::string_view(host).find(':') != std::string_view::npos;
    fd_.reset(open_stream_socket(is_ipv6 ? AF_INET6 : AF_INET));
    EXPECT_GE(fd_.get(), 0) << errno_text(errno);
    if (receive_buffer_bytes > 0) {
      ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof receive_buffer_bytes);
    }
    const timeval timeout{5, 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    int result = 0;
    if (is_ipv6) {
      ::inet_pton(AF_INET6, host, &v6.sin6_addr);
      result = ::connect(fd_.get(), reinterpret_cast<sockaddr*>(&v6), sizeof v6);
    } else {
      ::inet_pton(AF_INET, host, &v4.sin_addr);
      result = ::connect(fd_.get(), reinterpret_cast<sockaddr*>(&v4), sizeof v4);
    }
    is_connected_ = result == 0;
  }

  bool is_connected() const { return is_connected_; }
  int fd() const { return fd_.get(); }

  /// False once the server has closed.
  bool send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const long sent = send_bytes(fd_.get(), bytes);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  /// The next bytes; empty at the end of the stream or after an error.
  std::string receive() const {
    char buffer[16 << 10];
    const ssize_t got = ::recv(fd_.get(), buffer, sizeof buffer, 0);
    return got > 0 ? std::string(buffer, static_cast<std::size_t>(got)) : std::string();
  }

  /// Everything up to and including `text`, or to the end of the stream.
  std::string receive_until(std::string_view text) {
    for (;;) {
      const std::size_t at = left_.find(text);
      const std::string more = at == std::string::npos ? receive() : std::string();
      if (at == std::string::npos && !more.empty()) {
        left_ += more;
        continue;
      }
      const std::size_t end = at == std::string::npos ? left_.size() : at + text.size();
      std::string head = left_.substr(0, end);
      left_.erase(0, end);
      return head;
    }
  }

  /// One answer; bytes of the next one are kept for the next call.
  RawAnswer read_answer() {
    RawAnswer answer;
    ResponseParser parser([&](const Headers&, std::string_view piece) { answer.body += piece; });
    try {
      while (!parser.is_done()) {
        if (left_.empty()) left_ = receive();
        if (left_.empty()) {
          parser.finish();
          break;
        }
        // Byte by byte, since the parser does not give back what lies behind the answer.
        std::size_t used = 0;
        while (used < left_.size() && !parser.is_done()) parser.feed(std::string_view(left_).substr(used++, 1));
        left_.erase(0, used);
      }
      answer.is_whole = true;
    } catch (const Error& e) {
      answer.body += std::string("[") + e.what() + "]";
    }
    answer.status = parser.status();
    answer.headers = parser.headers();
    return answer;
  }

  RawAnswer ask(std::string_view request) {
    send(request);
    return read_answer();
  }

  /// Whether the server ends the connection within five seconds; what it sends before is thrown away.
  bool is_closed_by_server() const {
    for (;;) {
      char buffer[16 << 10];
      const ssize_t got = ::recv(fd_.get(), buffer, sizeof buffer, 0);
      if (got == 0) return true;
      if (got < 0) return errno == ECONNRESET;
    }
  }

  /// Bytes that have arrived here and were not read.
  int unread_bytes() const {
    int bytes = 0;
    ::ioctl(fd_.get(), FIONREAD, &bytes);
    return bytes;
  }

  void half_close() const { ::shutdown(fd_.get(), SHUT_WR); }
  void close() { fd_.reset(); }
  /// Ends with a reset instead of an orderly end.
  void reset() {
    const linger hard{1, 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    fd_.reset();
  }

 private:
  UniqueFd fd_;
  std::string left_;
  bool is_connected_ = false;
};

inline std::string get(std::string_view path) {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
}

inline std::string post(std::string_view path, std::string_view body) {
  return "POST " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

}  // namespace tandem::http::testing
