// A small blocking HTTP/1.1 client for the verbs that talk to a running server (status, chat, doctor). Plain sockets, one
// connection a request; http:// only.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "tandem/base/json.h"
#include "tandem/base/unique_fd.h"
#include "tandem/http/server.h"

namespace tandem::http {

/// "http://host[:port][/prefix]" taken apart.
struct Url {
  std::string host;     ///< without the brackets of an IPv6 address
  std::string port = "80";
  std::string prefix;   ///< of the path, without a slash at its end
  std::string authority;  ///< for the Host header
};
/// Throws Error{kInvalidArgument}; {kUnsupported} for https.
Url parse_url(std::string_view url);

class Client {
 public:
  struct Answer {
    int status = 0;
    Headers headers;   ///< names in lower case
    std::string body;  ///< at most 256 MiB
    /// The first header of that (lower-case) name, or "".
    std::string_view header(std::string_view name) const;
  };
  /// Gets the data of one server-sent event; false ends the request.
  using OnEvent = std::function<bool(std::string_view data)>;

  /// `headers` go with every request, e.g. Authorization. Throws as parse_url.
  explicit Client(std::string_view url, Headers headers = {});

  /// Every address of the host is tried. Throws Error: kIo (naming the address and the likely cause), kDeadlineExceeded,
  /// kCancelled, kCorrupt. A status of 400 and more is an Answer, not an error.
  Answer get(std::string_view path, std::chrono::milliseconds deadline = std::chrono::seconds(30));
  Answer post(std::string_view path, const Json& body,
              std::chrono::milliseconds deadline = std::chrono::seconds(600));
  /// An answer of type text/event-stream goes to `on_event` and leaves Answer::body empty; another one, such as an error,
  /// is collected. The deadline is for the whole answer.
  Answer post_stream(std::string_view path, const Json& body, const OnEvent& on_event,
                     std::chrono::milliseconds deadline = std::chrono::hours(24));

  /// Ends the request in progress with kCancelled; does nothing when there is none. Safe from any thread and from a signal
  /// handler.
  void cancel() noexcept;

 private:
  using TimePoint = std::chrono::steady_clock::time_point;
  Answer exchange(const std::string& request, const OnEvent* on_event, std::chrono::milliseconds deadline);
  std::string make_request(std::string_view method, std::string_view path, std::string_view body) const;
  UniqueFd connect(TimePoint deadline) const;
  void send_all(int fd, std::string_view bytes, TimePoint deadline) const;
  std::size_t receive(int fd, char* buffer, std::size_t bytes, TimePoint deadline) const;
  /// Waits for `events` on fd; throws on deadline and cancel.
  void wait(int fd, short events, TimePoint deadline) const;

  Url url_;
  Headers headers_;
  UniqueFd cancel_read_, cancel_write_;
};

}  // namespace tandem::http
