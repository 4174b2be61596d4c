#include "tandem/http/connection.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <utility>

#include "tandem/base/clock.h"
#include "tandem/base/log.h"
#include "tandem/http/sockets.h"

namespace tandem::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using std::chrono::steady_clock;

// A client that sends so much beyond max_pipelined_bytes while it waits for an answer is cut.
constexpr std::size_t kMaxDroppedBytes = 16 << 20;

}  // namespace

Connection::Connection(ServerContext& server, tcp::socket socket, std::string peer)
    : server_(server),
      socket_(std::move(socket)),
      timer_(server.io),
      peer_(std::move(peer)),
      reader_(server.limits),
      idle_since_(steady_clock::now()) {}

Connection::~Connection() { charge_body(0); }

void Connection::start(std::function<void()> ended) {
  error_code ignored;
  socket_.non_blocking(true, ignored);
  asio::co_spawn(
      server_.io, [self = shared_from_this()] { return self->serve(); },
      [self = shared_from_this(), ended = std::move(ended)](std::exception_ptr failure) {
        try {
          if (failure) std::rethrow_exception(failure);
        } catch (const std::exception& e) {
          log::error("http: {}: {}", self->peer_, e.what());
        }
        self->close();
        ended();
      });
}

void Connection::cut() { vanish(); }

void Connection::drain() { wake(); }

std::optional<steady_clock::time_point> Connection::idle_since() const {
  if (phase_ != Phase::kReceiving || reader_.state() != RequestReader::State::kIdle) return std::nullopt;
  return idle_since_;
}

// Here and in connection_answer.cc every co_await is a statement of its own, or its initialiser: g++ 12 miscompiles `while (co_await …)`.

// ---- the requests of a connection, in order

asio::awaitable<void> Connection::serve() {
  for (;;) {
    const bool may_follow = co_await serve_one();
    if (!may_follow) break;
    reader_.next();
    dropped_bytes_ = 0;
    idle_since_ = steady_clock::now();
  }
  // After an idle time there is no answer that could get lost.
  if (!is_gone_ && !keep_open_) co_await linger();
}

// False when the connection is to end.
asio::awaitable<bool> Connection::serve_one() {
  phase_ = Phase::kReceiving;
  request_id_.clear();
  is_head_request_ = false;
  const bool has_head = co_await receive_head();
  if (!has_head) co_return false;
  started_ = steady_clock::now();
  std::optional<Response> refusal = check_request();
  if (!refusal) {
    const bool may_answer = co_await receive_body();
    if (!may_answer) co_return false;
  }
  phase_ = Phase::kAnswering;
  if (refusal) {
    // The body is not read: it may be huge, and whoever sends it is not entitled to.
    if (reader_.has_body()) keep_open_ = false;
    co_await send(std::move(*refusal));
  } else if (reader_.state() == RequestReader::State::kFailed) {
    keep_open_ = false;
    Response error = make_error(reader_.failure().status, reader_.failure().message);
    co_await send(std::move(error));
  } else {
    dispatch(*handler_);
    co_await answer();
  }
  log_end();
  co_return keep_open_ && !is_gone_ && !server_.is_draining;
}

// True when there is a head to answer, bad ones included; false when the connection ends without one.
asio::awaitable<bool> Connection::receive_head() {
  using State = RequestReader::State;
  const bool is_first = started_ == TimePoint{};
  TimePoint deadline =
      idle_since_ + (is_first ? server_.limits.header_timeout : server_.limits.keep_alive_timeout);
  bool has_begun = false;
  for (;;) {
    const State state = reader_.advance();
    if (state == State::kHeadDone || state == State::kFailed) co_return true;
    if (is_gone_) co_return false;
    if (state == State::kIdle && server_.is_draining) co_return false;
    const TimePoint now = steady_clock::now();
    if (state == State::kHead && !has_begun) {
      has_begun = true;
      if (!is_first) deadline = now + server_.limits.header_timeout;
    }
    if (now >= deadline) break;
    co_await wait(deadline);
  }
  if (!has_begun) co_return false;
  keep_open_ = false;
  phase_ = Phase::kAnswering;
  Response error = make_error(408, "the request's head did not arrive in time");
  co_await send(std::move(error));
  co_return false;
}

// False when the client has gone or was told off; a body that breaks a rule leaves the reader failed.
asio::awaitable<bool> Connection::receive_body() {
  using State = RequestReader::State;
  const TimePoint total_deadline = steady_clock::now() + server_.limits.body_total_timeout;
  TimePoint idle_deadline = steady_clock::now() + server_.limits.body_idle_timeout;
  std::size_t received = 0;
  State state = reader_.accept_body();
  if (state == State::kBody && reader_.expects_continue() && reader_.request().body.empty()) {
    out_.append(kContinue);
  }
  while (state == State::kBody && !is_gone_) {
    const TimePoint now = steady_clock::now();
    const std::size_t body_bytes = reader_.request().body.size();
    if (body_bytes > received) idle_deadline = now + server_.limits.body_idle_timeout;
    received = body_bytes;
    charge_body(body_bytes);
    const bool is_crowded = server_.bodies_bytes > server_.limits.max_bodies_bytes;
    if (is_crowded || now >= std::min(idle_deadline, total_deadline)) {
      keep_open_ = false;
      phase_ = Phase::kAnswering;
      charge_body(0);
      Response response = is_crowded ? make_error(503, "too many large requests at once; try again")
                                     : make_error(408, "the request's body did not arrive in time");
      if (is_crowded) response.headers.emplace_back("Retry-After", "1");
      co_await send(std::move(response));
      log_end();
      co_return false;
    }
    const TimePoint deadline = std::min(idle_deadline, total_deadline);
    write_available();
    co_await wait(deadline);
    state = reader_.advance();
  }
  charge_body(0);
  co_return state == State::kDone || state == State::kFailed;
}

// Everything that can be said before the body is there; sets handler_ or returns the refusal.
std::optional<Response> Connection::check_request() {
  handler_ = nullptr;
  Request& request = reader_.request();
  request.peer = peer_;
  request.id = make_request_id(request.header("x-request-id"));
  request_id_ = request.id;
  request_line_ = request.method + " " + request.path;
  keep_open_ = keep_open_ && reader_.keep_alive();
  is_head_request_ = request.method == "HEAD";
  if (reader_.state() == RequestReader::State::kFailed) {
    keep_open_ = false;
    return make_error(reader_.failure().status, reader_.failure().message);
  }
  try {
    if (server_.filter) {
      if (std::unique_ptr<Response> refusal = server_.filter(request)) return std::move(*refusal);
    }
  } catch (const std::exception& e) {
    log::error("http: filter: {} {}: {}", request_line_, request_id_, e.what());
    return make_error(500, "internal error");
  }
  const Router::Match match = server_.router.find(request.method, request.path);
  handler_ = match.handler;
  if (handler_ != nullptr) return std::nullopt;
  if (request.path == "*") return Response{204, {{"Allow", "GET, HEAD, POST, OPTIONS"}}, {}};
  if (match.allow.empty()) return make_error(404, "no such path: " + request.path);
  if (request.method == "OPTIONS") return Response{204, {{"Allow", match.allow}}, {}};
  Response response = make_error(405, request.method + " is not allowed here; allowed: " + match.allow);
  response.headers.emplace_back("Allow", match.allow);
  return response;
}

Response Connection::make_error(int status, std::string_view message) const {
  Response response{status, {{"Content-Type", "text/plain; charset=utf-8"}}, std::string(message) + "\n"};
  if (!server_.error_body) return response;
  try {
    response = server_.error_body(status, message);
    response.status = status;
  } catch (const std::exception& e) {
    log::error("http: error body: {}", e.what());
  }
  return response;
}

void Connection::charge_body(std::size_t held_bytes) {
  server_.bodies_bytes += held_bytes - charged_bytes_;
  charged_bytes_ = held_bytes;
}

// Lets the client read the end of the answer before the connection is closed.
asio::awaitable<void> Connection::linger() {
  phase_ = Phase::kLingering;
  error_code ignored;
  socket_.shutdown(tcp::socket::shutdown_send, ignored);
  const TimePoint deadline = steady_clock::now() + server_.limits.linger_timeout;
  while (!is_gone_ && steady_clock::now() < deadline) {
    co_await wait(deadline);
  }
}

// ---- the socket

// Ends at the deadline, or when something has changed: bytes, room for bytes, an answer, the client's end.
asio::awaitable<void> Connection::wait(TimePoint deadline) {
  watch_readable();
  timer_.expires_at(deadline);
  error_code ignored;
  co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

asio::awaitable<void> Connection::yield() { co_await asio::post(server_.io, asio::use_awaitable); }

void Connection::wake() { timer_.cancel(); }

// There is always a read outstanding while serve() waits, so a client that goes is seen at once whatever we do for it.
void Connection::watch_readable() {
  if (is_reading_ || is_gone_) return;
  is_reading_ = true;
  socket_.async_wait(tcp::socket::wait_read, [self = shared_from_this()](error_code error) {
    self->is_reading_ = false;
    if (error != asio::error::operation_aborted) self->read_available();
  });
}

void Connection::read_available() {
  if (is_gone_) return;
  error_code error;
  const std::size_t bytes = socket_.read_some(asio::buffer(server_.read_buffer), error);
  if (error == asio::error::would_block || error == asio::error::try_again) return watch_readable();
  // The end of the stream counts as gone also when only that direction was shut down: clients that wait for an answer keep
  // theirs open, and nothing else tells a vanished client from a patient one.
  if (error) return vanish();
  try {
    take_bytes({server_.read_buffer.data(), bytes});
  } catch (const std::exception& e) {
    log::error("http: {}: {}", peer_, e.what());
    vanish();
  }
}

void Connection::take_bytes(std::string_view bytes) {
  if (phase_ == Phase::kReceiving) {
    reader_.append(bytes);
    return wake();
  }
  if (phase_ == Phase::kAnswering && keep_open_ &&
      reader_.buffered_bytes() + bytes.size() <= server_.limits.max_pipelined_bytes) {
    reader_.append(bytes);
  } else if (phase_ == Phase::kAnswering) {
    keep_open_ = false;
    dropped_bytes_ += bytes.size();
    if (dropped_bytes_ > kMaxDroppedBytes) return vanish();
  }
  watch_readable();
}

void Connection::watch_writable() {
  if (is_writing_) return;
  is_writing_ = true;
  socket_.async_wait(tcp::socket::wait_write, [self = shared_from_this()](error_code) {
    self->is_writing_ = false;
    self->wake();
  });
}

void Connection::write_available() {
  while (!is_writing_ && !out_.empty()) {
    error_code error;
    const std::string_view pending = out_.pending();
    const std::size_t bytes = socket_.write_some(asio::buffer(pending.data(), pending.size()), error);
    if (error == asio::error::would_block || error == asio::error::try_again) {
      last_unacknowledged_ = platform::unacknowledged_bytes(socket_.native_handle());
      return watch_writable();
    }
    if (error) return vanish();
    last_progress_ = steady_clock::now();
    out_.consume(bytes);
  }
}

// Cuts a client that has taken nothing for write_stall_timeout. The socket only becomes writable when a good part of its
// buffer is free; a slow reader's progress shows in what the kernel still holds.
void Connection::cut_if_stalled() {
  const TimePoint now = steady_clock::now();
  if (out_.empty() || now < last_progress_ + server_.limits.write_stall_timeout) return;
  const long unacknowledged = platform::unacknowledged_bytes(socket_.native_handle());
  const bool has_progress = unacknowledged >= 0 && unacknowledged < last_unacknowledged_;
  last_unacknowledged_ = unacknowledged;
  last_progress_ = now;
  if (has_progress) return;
  log::debug("http: {} {}: cut, it has read nothing for {} ms", peer_, request_id_,
             server_.limits.write_stall_timeout.count());
  discards_unsent_ = true;
  vanish();
}

void Connection::vanish() {
  is_gone_ = true;
  wake();
}

void Connection::close() {
  error_code ignored;
  // What the kernel holds for a client that does not read is thrown away with the connection.
  if (discards_unsent_) socket_.set_option(asio::socket_base::linger(true, 0), ignored);
  socket_.close(ignored);
  timer_.cancel();
  if (exchange_) std::exchange(exchange_, nullptr)->finish(/*vanished=*/true);
}

void Connection::log_end() const {
  log::debug("http: {} {} {} {} {:.1f} ms{}", peer_, request_id_, request_line_, status_,
             1000 * to_seconds(steady_clock::now() - started_), is_gone_ ? ", client gone" : "");
}

}  // namespace tandem::http
