// One client's connection: reads requests in order, has each answered, notices when the client goes. Server makes them;
// everything here happens on the network thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>  // Boost 1.74's awaitable.hpp uses std::exchange without it
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "tandem/http/exchange.h"
#include "tandem/http/outbox.h"
#include "tandem/http/request_reader.h"
#include "tandem/http/router.h"
#include "tandem/http/server.h"
#include "tandem/http/wire.h"

namespace tandem::http {

/// What the connections of a server share.
struct ServerContext {
  boost::asio::io_context& io;
  const Limits limits;
  Router router;
  Filter filter;
  ErrorBody error_body;
  std::shared_ptr<Mailbox> mailbox;
  std::vector<char> read_buffer = std::vector<char>(64 << 10);  ///< filled and emptied within one call
  std::size_t bodies_bytes = 0;  ///< held by all bodies being received
  bool is_draining = false;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(ServerContext& server, boost::asio::ip::tcp::socket socket, std::string peer);
  ~Connection();

  /// Serves until the connection ends, then calls `ended` once.
  void start(std::function<void()> ended);
  /// Ends now, whatever is in flight. Its exchange's client-gone callbacks run soon, on this thread.
  void cut();
  /// Makes a waiting connection look at ServerContext::is_draining: it ends after the answer in flight.
  void drain();
  /// When it last became idle: no byte of a request is there. Nullopt while it is not.
  std::optional<std::chrono::steady_clock::time_point> idle_since() const;

 private:
  using TimePoint = std::chrono::steady_clock::time_point;
  template <typename T>
  using Awaitable = boost::asio::awaitable<T>;

  Awaitable<void> serve();
  Awaitable<bool> serve_one();
  Awaitable<bool> receive_head();
  Awaitable<bool> receive_body();
  Awaitable<void> answer();
  Awaitable<void> send(Response response);
  Awaitable<void> stream(StreamHead head, std::shared_ptr<BodySource> source);
  Awaitable<void> pump(const StreamHead& head, BodySource& source);
  Awaitable<bool> flush();
  Awaitable<void> linger();
  Awaitable<void> wait(TimePoint deadline);
  Awaitable<void> yield();

  enum class Fill { kMore, kPending, kEnd, kAbort };
  Fill fill(BodySource& source);
  void append_stream_data(std::string_view data);

  std::optional<Response> check_request();
  Response make_error(int status, std::string_view message) const;
  void dispatch(const Handler& handler);
  std::string make_head(int status, const Headers& headers, Framing framing, std::size_t length) const;
  void charge_body(std::size_t held_bytes);

  void watch_readable();
  void read_available();
  void take_bytes(std::string_view bytes);
  void watch_writable();
  void write_available();
  void cut_if_stalled();
  void vanish();
  void wake();
  void close();
  void log_end() const;

  ServerContext& server_;
  boost::asio::ip::tcp::socket socket_;
  boost::asio::steady_timer timer_;  // its end or cancellation is what serve() waits for
  const std::string peer_;
  RequestReader reader_;
  std::shared_ptr<Exchange> exchange_;
  const Handler* handler_ = nullptr;
  Outbox out_;
  std::string pulled_;

  // Of the request that is being answered.
  std::string request_id_, request_line_;
  int status_ = 0;
  bool is_head_request_ = false;
  std::size_t charged_bytes_ = 0;
  TimePoint started_{}, idle_since_{}, last_progress_{};
  long last_unacknowledged_ = 0;

  enum class Phase { kReceiving, kAnswering, kLingering };
  Phase phase_ = Phase::kReceiving;
  bool keep_open_ = true;     // another request may follow
  bool is_gone_ = false;      // the client has vanished, or was cut
  bool is_reading_ = false, is_writing_ = false;  // a wait for the socket is pending
  bool discards_unsent_ = false;
  std::size_t dropped_bytes_ = 0;  // of pipelined requests that were too long
};

}  // namespace tandem::http
