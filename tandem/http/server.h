// An HTTP/1.1 server on one network thread: limits, deadlines, streaming bodies with back-pressure. Its users see no
// sockets and no Asio: a handler gets a Request and a Responder, and may answer from any thread, now or later.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tandem::http {

struct Limits {
  std::size_t max_header_bytes = 32 << 10;      ///< beyond: 431
  std::size_t max_headers = 128;                ///< beyond: 431
  std::size_t max_target_bytes = 8 << 10;       ///< beyond: 414
  std::size_t max_body_bytes = 32 << 20;        ///< beyond: 413
  std::size_t max_bodies_bytes = 512 << 20;     ///< of all bodies being received together; beyond: 503
  std::size_t max_connections = 4096;           ///< beyond: the newest waits in the system's backlog
  std::size_t max_pipelined_bytes = 64 << 10;   ///< kept of later requests while one is answered; beyond: dropped, and
                                                ///< the connection closes after the answer
  std::size_t max_stream_buffer_bytes = 256 << 10;  ///< bytes held for one slow reader, kernel's send buffer included
  std::chrono::milliseconds header_timeout{10'000};
  std::chrono::milliseconds body_idle_timeout{10'000};
  std::chrono::milliseconds body_total_timeout{60'000};
  std::chrono::milliseconds keep_alive_timeout{75'000};
  std::chrono::milliseconds write_stall_timeout{30'000};  ///< no byte taken for so long: the connection is cut
  /// After an answer that ends a connection, what the client still sends is thrown away for so long; closing at once could
  /// reset the connection before the client has read the answer.
  std::chrono::milliseconds linger_timeout{2'000};
};

using Headers = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string method;   ///< as sent: methods are case-sensitive, so "get" is not GET
  std::string target;   ///< as sent
  std::string path;     ///< decoded once, without query, "//" merged; no control characters, "." or ".." segments
  std::string query;    ///< without '?', not decoded
  Headers headers;      ///< names in lower case
  std::string body;
  std::string peer;     ///< "127.0.0.1:51514"
  std::string id;       ///< request id: the client's x-request-id when it is sane, else a random one; echoed in the answer

  /// The first header of that (lower-case) name, or "".
  std::string_view header(std::string_view name) const;
};

struct Response {
  int status = 200;
  Headers headers;      ///< Content-Length and x-request-id are added
  std::string body;
};

/// A body made piece by piece. `pull` is called on the network thread whenever the socket can take more; it must not block.
/// One pull appends at most a quarter of Limits::max_stream_buffer_bytes, or the bound on what is held does not hold.
class BodySource {
 public:
  enum class Pull {
    kData,     ///< appended something to `out`
    kPending,  ///< nothing now: call the Waker when there is
    kEnd,      ///< nothing ever again (what was appended by this call still goes out)
    kAbort,    ///< cut the connection without the closing chunk
  };
  virtual ~BodySource() = default;
  virtual Pull pull(std::string& out) = 0;
};

/// Says from any thread that the source has data. Cheap; harmless after the end.
using Waker = std::function<void()>;

struct StreamHead {
  int status = 200;
  Headers headers;
  /// Sent whenever the source is silent for so long (SSE: ": ping\n\n"); empty: never.
  std::string keep_alive;
  std::chrono::milliseconds keep_alive_interval{10'000};
};

/// The way to answer one request; copyable, safe from any thread, good for exactly one answer (later ones are ignored).
/// If every copy goes without an answer, the client gets a 500.
class Responder {
 public:
  class Impl;
  explicit Responder(std::shared_ptr<Impl> impl);
  void send(Response response) const;
  /// Starts a chunked answer; the source is owned by the connection from here on and destroyed when it ends.
  Waker stream(StreamHead head, std::shared_ptr<BodySource> source) const;
  /// `gone` is called once, on the network thread, if the client vanishes before the answer has ended: within 100 ms, also
  /// while nothing is being read or written. If it has vanished already, it is called at once. A client that closes only its
  /// sending side counts as gone unless its answer was there at once; one that is cut (stalled, or at drain's deadline), too.
  void on_client_gone(std::function<void()> gone) const;

 private:
  std::shared_ptr<Impl> impl_;
};

using Handler = std::function<void(Request, Responder)>;

/// Looks at every request before routing and before its body is read (`body` is empty); returns a Response to refuse it
/// (auth, Host, content type). On the network thread. Not called for requests that are not HTTP or over a limit.
using Filter = std::function<std::unique_ptr<Response>(const Request&)>;

/// Makes the body of the server's own errors (400, 404, 405, 413, …), e.g. OpenAI's JSON shape; its status is set by the
/// server. `message` may quote the request's path.
using ErrorBody = std::function<Response(int status, std::string_view message)>;

class Server {
 public:
  explicit Server(Limits limits = {});
  ~Server();
  /// Exact path, or a prefix when it ends in "/*". All routes are set before `start`. Handlers run on the network thread and
  /// must not block; an exception becomes a 500. GET answers HEAD, too (the body is not sent); OPTIONS is answered with Allow
  /// unless it has a route.
  void route(std::string method, std::string path, Handler handler);
  void set_filter(Filter filter);
  void set_error_body(ErrorBody make);
  /// Binds host (an IP) and port (0: any free one); returns the port. Throws Error{kIo} that names both and, when the port is
  /// taken, says so.
  std::uint16_t listen(const std::string& host, std::uint16_t port);
  /// Starts the network thread.
  void start();
  /// Stops accepting, waits for answers in flight until the deadline, then closes everything. Blocks; call once.
  void drain(std::chrono::milliseconds deadline);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tandem::http
