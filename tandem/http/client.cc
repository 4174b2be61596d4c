#include "tandem/http/client.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <memory>
#include <utility>

#include "tandem/base/error.h"
#include "tandem/base/strings.h"
#include "tandem/http/response_parser.h"
#include "tandem/http/sockets.h"
#include "tandem/http/sse_parser.h"
#include "tandem/http/target.h"

namespace tandem::http {
namespace {

using std::chrono::steady_clock;

constexpr std::size_t kMaxBodyBytes = 256 << 20;
constexpr auto kConnectTimeout = std::chrono::seconds(5);
// Thrown out of the parsers when the receiver of events has had enough.
struct Stopped {};

struct FreeAddresses {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};

std::unique_ptr<addrinfo, FreeAddresses> resolve(const Url& url) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int error = ::getaddrinfo(url.host.c_str(), url.port.c_str(), &hints, &list);
  if (error != 0) throw Error(Code::kIo, "cannot resolve " + url.host + ": " + ::gai_strerror(error));
  return std::unique_ptr<addrinfo, FreeAddresses>(list);
}

std::string connect_failure(const Url& url, int error_number) {
  std::string message = "cannot reach http://" + url.authority + ": " + errno_text(error_number);
  if (error_number == ECONNREFUSED) message += "; is a server running there?";
  return message;
}

}  // namespace

Url parse_url(std::string_view url) {
  const auto refuse = [&](const std::string& why) {
    return Error(Code::kInvalidArgument, "\"" + std::string(url) + "\" is not an http:// address: " + why);
  };
  if (to_lower(url.substr(0, 8)) == "https://") {
    throw Error(Code::kUnsupported, "\"" + std::string(url) + "\": https is not supported; take http:// or an ssh tunnel");
  }
  if (to_lower(url.substr(0, 7)) != "http://") throw refuse("it does not start with http://");
  for (const char c : url) {
    if (static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7f) throw refuse("bad character");
  }
  Url parsed;
  const std::string_view rest = url.substr(7);
  parsed.authority = rest.substr(0, rest.find('/'));
  parsed.prefix = rest.substr(std::min(rest.find('/'), rest.size()));
  while (parsed.prefix.ends_with('/')) parsed.prefix.pop_back();
  if (parsed.authority.empty() || !is_valid_host(parsed.authority)) throw refuse("bad host");
  const std::size_t colon = parsed.authority.rfind(':');
  const std::size_t bracket = parsed.authority.rfind(']');
  const bool has_port = colon != std::string::npos && (bracket == std::string::npos || colon > bracket);
  parsed.host = parsed.authority.substr(0, has_port ? colon : std::string::npos);
  if (bracket != std::string::npos) parsed.host = parsed.authority.substr(1, bracket - 1);
  if (!has_port) return parsed;
  const auto port = parse_int(std::string_view(parsed.authority).substr(colon + 1));
  if (!port || *port < 1 || *port > 65535) throw refuse("bad port");
  parsed.port = std::to_string(*port);
  return parsed;
}

std::string_view Client::Answer::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

Client::Client(std::string_view url, Headers headers) : url_(parse_url(url)), headers_(std::move(headers)) {
  for (const auto& [name, value] : headers_) {
    if ((name + value).find_first_of("\r\n") != std::string::npos) {
      throw Error(Code::kInvalidArgument, "header " + name + ": a line break in it");
    }
  }
  int ends[2];
  if (::pipe(ends) != 0) throw Error(Code::kIo, "pipe: " + errno_text(errno));
  cancel_read_.reset(ends[0]);
  cancel_write_.reset(ends[1]);
  for (const int fd : ends) {
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    ::fcntl(fd, F_SETFL, O_NONBLOCK);
  }
}

Client::Answer Client::get(std::string_view path, std::chrono::milliseconds deadline) {
  return exchange(make_request("GET", path, {}), nullptr, deadline);
}

Client::Answer Client::post(std::string_view path, const Json& body, std::chrono::milliseconds deadline) {
  return exchange(make_request("POST", path, dump_json(body)), nullptr, deadline);
}

Client::Answer Client::post_stream(std::string_view path, const Json& body, const OnEvent& on_event,
                                   std::chrono::milliseconds deadline) {
  return exchange(make_request("POST", path, dump_json(body)), &on_event, deadline);
}

void Client::cancel() noexcept {
  const int saved = errno;
  const ssize_t ignored = ::write(cancel_write_.get(), "c", 1);
  static_cast<void>(ignored);
  errno = saved;
}

std::string Client::make_request(std::string_view method, std::string_view path, std::string_view body) const {
  std::string request = std::string(method) + " " + url_.prefix + std::string(path) + " HTTP/1.1\r\n";
  request += "Host: " + url_.authority + "\r\nConnection: close\r\nAccept: application/json, text/event-stream\r\n";
  for (const auto& [name, value] : headers_) request += name + ": " + value + "\r\n";
  if (method == "POST") {
    request += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  }
  request += "\r\n";
  return request += body;
}

Client::Answer Client::exchange(const std::string& request, const OnEvent* on_event,
                                std::chrono::milliseconds deadline) {
  // A cancel that came when no request was in progress is not meant for this one.
  char stale[64];
  while (::read(cancel_read_.get(), stale, sizeof stale) > 0) {
  }
  const TimePoint end = steady_clock::now() + deadline;
  const UniqueFd fd = connect(end);
  send_all(fd.get(), request, end);
  Answer answer;
  SseParser events([on_event](std::string_view data) {
    if (!(*on_event)(data)) throw Stopped{};
  });
  ResponseParser parser([&](const Headers& headers, std::string_view body) {
    const bool is_stream = std::any_of(headers.begin(), headers.end(), [](const auto& header) {
      return header.first == "content-type" && header.second.starts_with("text/event-stream");
    });
    if (on_event != nullptr && is_stream) return events.feed(body);
    if (body.size() > kMaxBodyBytes - answer.body.size()) {
      throw Error(Code::kResourceExhausted, "HTTP answer: longer than 256 MiB");
    }
    answer.body += body;
  });
  char buffer[16 << 10];
  try {
    while (!parser.is_done()) {
      const std::size_t bytes = receive(fd.get(), buffer, sizeof buffer, end);
      if (bytes == 0) parser.finish();
      if (bytes > 0) parser.feed({buffer, bytes});
    }
  } catch (const Stopped&) {
  }
  answer.status = parser.status();
  answer.headers = parser.headers();
  return answer;
}

UniqueFd Client::connect(TimePoint deadline) const {
  const auto addresses = resolve(url_);
  int error_number = EADDRNOTAVAIL;
  for (const addrinfo* address = addresses.get(); address != nullptr; address = address->ai_next) {
    UniqueFd fd(open_stream_socket(address->ai_family));
    if (!fd) {
      error_number = errno;
      continue;
    }
    ::fcntl(fd.get(), F_SETFL, O_NONBLOCK);
    tune_connection(fd.get(), 0);
    error_number = ::connect(fd.get(), address->ai_addr, address->ai_addrlen) == 0 ? 0 : errno;
    if (error_number == EINPROGRESS) {
      try {
        wait(fd.get(), POLLOUT, std::min(deadline, steady_clock::now() + kConnectTimeout));
        socklen_t size = sizeof error_number;
        ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error_number, &size);
      } catch (const Error& e) {
        if (e.code() != Code::kDeadlineExceeded) throw;
        error_number = ETIMEDOUT;
      }
    }
    if (error_number == 0) return fd;
  }
  throw Error(Code::kIo, connect_failure(url_, error_number));
}

void Client::send_all(int fd, std::string_view bytes, TimePoint deadline) const {
  while (!bytes.empty()) {
    const long sent = send_bytes(fd, bytes);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      // A server that refuses the request early answers before it has read everything.
      wait(fd, POLLOUT | POLLIN, deadline);
      pollfd readable{fd, POLLIN, 0};
      if (::poll(&readable, 1, 0) > 0) return;
    } else if (errno == EPIPE || errno == ECONNRESET) {
      return;  // its answer, if there is one, can still be read
    } else if (errno != EINTR) {
      throw Error(Code::kIo, "send to http://" + url_.authority + ": " + errno_text(errno));
    }
  }
}

std::size_t Client::receive(int fd, char* buffer, std::size_t bytes, TimePoint deadline) const {
  for (;;) {
    wait(fd, POLLIN, deadline);
    const ssize_t got = ::recv(fd, buffer, bytes, 0);
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) continue;
    throw Error(Code::kIo, "receive from http://" + url_.authority + ": " + errno_text(errno));
  }
}

void Client::wait(int fd, short events, TimePoint deadline) const {
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - steady_clock::now()).count();
    pollfd polled[] = {{fd, events, 0}, {cancel_read_.get(), POLLIN, 0}};
    const int timeout = static_cast<int>(std::clamp<long long>(left + 1, 0, INT_MAX));
    const int ready = ::poll(polled, 2, timeout);
    if (ready < 0 && errno != EINTR) throw Error(Code::kIo, "poll: " + errno_text(errno));
    if (ready > 0 && polled[1].revents != 0) throw Error(Code::kCancelled, "cancelled");
    if (ready > 0) return;
    if (left <= 0) throw Error(Code::kDeadlineExceeded, "http://" + url_.authority + " did not answer in time");
  }
}

}  // namespace tandem::http
