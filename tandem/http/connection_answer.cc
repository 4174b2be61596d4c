// Connection's way out: handlers, answers, streams. See connection.cc for the way in and the socket.
#include <ctime>
#include <exception>
#include <utility>

#include "tandem/base/log.h"
#include "tandem/http/connection.h"

namespace tandem::http {
namespace {

namespace asio = boost::asio;
using std::chrono::steady_clock;

constexpr auto kForever = std::chrono::hours(24);
// A body up to this size leaves in one write with its head.
constexpr std::size_t kJoinBytes = 16 << 10;
// A source is asked so often before others get their turn.
constexpr int kPullsPerTurn = 64;

}  // namespace

void Connection::dispatch(const Handler& handler) {
  exchange_ = std::make_shared<Exchange>([self = weak_from_this()] {
    if (const auto connection = self.lock()) connection->wake();
  });
  const Responder responder(std::make_shared<Responder::Impl>(server_.mailbox, exchange_));
  try {
    handler(std::move(reader_.request()), responder);
  } catch (const std::exception& e) {
    log::error("http: {} {}: {}", request_line_, request_id_, e.what());
    responder.send(Response{kDroppedStatus, {}, {}});
  }
  // An answer given by the handler itself goes out before the socket is looked at again: so a client that closes its side
  // behind its request, as `nc -N` does, still gets it.
  server_.mailbox->run_all();
}

asio::awaitable<void> Connection::answer() {
  while (!exchange_->is_answered() && !is_gone_) {
    co_await wait(steady_clock::now() + kForever);
  }
  if (exchange_->response) {
    Response response = std::move(*exchange_->response);
    if (response.status == kDroppedStatus) response = make_error(500, "internal error");
    co_await send(std::move(response));
  } else if (exchange_->head) {
    StreamHead head = std::move(*exchange_->head);
    std::shared_ptr<BodySource> source = std::exchange(exchange_->source, nullptr);
    co_await stream(std::move(head), std::move(source));
  }
  const auto exchange = std::exchange(exchange_, nullptr);
  exchange->finish(is_gone_);
}

std::string Connection::make_head(int status, const Headers& headers, Framing framing, std::size_t length) const {
  return http::make_head(status, headers,
                         {.framing = framing,
                          .length = length,
                          .keep_alive = keep_open_,
                          .http10 = reader_.is_http10(),
                          .request_id = request_id_,
                          .now = std::time(nullptr)});
}

asio::awaitable<void> Connection::send(Response response) {
  status_ = response.status;
  if (server_.is_draining) keep_open_ = false;
  const bool has_no_body = status_ == 204 || status_ == 304;
  const Framing framing = has_no_body ? Framing::kNone : Framing::kLength;
  out_.append(make_head(status_, response.headers, framing, response.body.size()));
  if (!has_no_body && !is_head_request_) {
    if (response.body.size() > kJoinBytes) co_await flush();
    if (is_gone_) co_return;
    out_.append(std::move(response.body));
  }
  co_await flush();
}

asio::awaitable<void> Connection::stream(StreamHead head, std::shared_ptr<BodySource> source) {
  status_ = head.status;
  if (server_.is_draining || reader_.is_http10()) keep_open_ = false;
  out_.append(make_head(status_, head.headers, reader_.is_http10() ? Framing::kClose : Framing::kChunked, 0));
  if (is_head_request_ || !source) {
    if (!is_head_request_ && !reader_.is_http10()) out_.append(kLastChunk);
    co_await flush();
  } else {
    co_await pump(head, *source);
  }
}

// Moves what the source makes to the socket until its end, the client's, or a stall.
asio::awaitable<void> Connection::pump(const StreamHead& head, BodySource& source) {
  last_progress_ = steady_clock::now();
  TimePoint ping_at = last_progress_ + head.keep_alive_interval;
  Fill state = Fill::kPending;
  while (!is_gone_) {
    if (state != Fill::kEnd && state != Fill::kAbort) {
      state = fill(source);
      if (state == Fill::kEnd && !reader_.is_http10()) out_.append(kLastChunk);
    }
    if (!out_.empty()) ping_at = steady_clock::now() + head.keep_alive_interval;
    write_available();
    if (is_gone_) break;
    if (out_.empty()) {
      if (state == Fill::kEnd) break;
      if (state == Fill::kAbort) {
        keep_open_ = false;
        break;
      }
      if (state == Fill::kMore) {
        co_await yield();
        continue;
      }
    }
    const bool may_ping = out_.empty() && !head.keep_alive.empty();
    TimePoint deadline = may_ping ? ping_at : steady_clock::now() + kForever;
    if (!out_.empty()) deadline = last_progress_ + server_.limits.write_stall_timeout;
    co_await wait(deadline);
    cut_if_stalled();
    if (may_ping && !exchange_->is_ready && steady_clock::now() >= ping_at) append_stream_data(head.keep_alive);
  }
}

Connection::Fill Connection::fill(BodySource& source) {
  // A quarter here, a quarter asked of the kernel (Linux doubles it), a quarter left for one pull that overshoots.
  const std::size_t room = server_.limits.max_stream_buffer_bytes / 4;
  Fill state = Fill::kMore;
  pulled_.clear();
  for (int pulls = 0; state == Fill::kMore && pulls < kPullsPerTurn; ++pulls) {
    if (!exchange_->is_ready) {
      state = Fill::kPending;
      break;
    }
    if (out_.pending().size() + pulled_.size() >= room) break;
    BodySource::Pull pull = BodySource::Pull::kAbort;
    try {
      pull = source.pull(pulled_);
    } catch (const std::exception& e) {
      log::error("http: {} {}: {}", request_line_, request_id_, e.what());
    }
    if (pull == BodySource::Pull::kPending) exchange_->is_ready = false;
    if (pull == BodySource::Pull::kEnd) state = Fill::kEnd;
    if (pull == BodySource::Pull::kAbort) state = Fill::kAbort;
  }
  append_stream_data(pulled_);
  if (pulled_.capacity() > Outbox::kKeptBytes) pulled_ = {};
  return state;
}

void Connection::append_stream_data(std::string_view data) {
  if (reader_.is_http10()) {
    out_.append(data);
  } else {
    append_chunk(out_.tail(), data);
  }
}

// Writes everything that waits; false when the client has gone or stalled.
asio::awaitable<bool> Connection::flush() {
  last_progress_ = steady_clock::now();
  for (;;) {
    write_available();
    if (out_.empty()) co_return true;
    if (is_gone_) co_return false;
    const TimePoint stall_at = last_progress_ + server_.limits.write_stall_timeout;
    co_await wait(stall_at);
    cut_if_stalled();
  }
}

}  // namespace tandem::http
