#include "tandem/http/server.h"

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <csignal>
#include <exception>
#include <memory>
#include <optional>
#include <thread>
#include <unordered_set>
#include <utility>

#include "tandem/base/error.h"
#include "tandem/base/log.h"
#include "tandem/http/connection.h"
#include "tandem/http/sockets.h"

namespace tandem::http {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using std::chrono::steady_clock;

// Without file descriptors or memory, accepting is tried again after so long.
constexpr auto kAcceptPause = std::chrono::milliseconds(100);
// A connection that idles so long gives way to a new one when the server is full.
constexpr auto kYieldingIdleTime = std::chrono::seconds(1);
// Others get their turn after so many new connections.
constexpr int kAcceptsPerTurn = 64;

}  // namespace

class Server::Impl {
 public:
  explicit Impl(Limits limits)
      : context_{.io = io_, .limits = limits}, work_(asio::make_work_guard(io_)), pause_(io_), drain_timer_(io_) {
    context_.mailbox = std::make_shared<Mailbox>([this] { asio::post(io_, [this] { context_.mailbox->run_all(); }); });
  }

  ~Impl() {
    drain(std::chrono::milliseconds(0));
    context_.mailbox->close();
  }

  ServerContext& context() { return context_; }

  std::uint16_t listen(const std::string& host, std::uint16_t port) {
    UniqueFd fd = open_listener(host, port);
    const std::uint16_t bound = local_port(fd.get());
    const tcp protocol = host.find(':') == std::string::npos ? tcp::v4() : tcp::v6();
    listeners_.push_back(std::make_unique<tcp::acceptor>(io_, protocol, fd.get()));
    fd.release();
    return bound;
  }

  void start() {
    // Asio's writes do not raise it; whatever else of the process writes to a closed pipe gets an error instead of death.
    std::signal(SIGPIPE, SIG_IGN);
    for (const auto& listener : listeners_) watch(*listener);
    thread_ = std::thread([this] { run(); });
  }

  void drain(std::chrono::milliseconds deadline) {
    if (!thread_.joinable()) return;
    asio::post(io_, [this, deadline] { begin_drain(deadline); });
    thread_.join();
    context_.mailbox->close();
  }

 private:
  void run() {
    for (;;) {
      try {
        io_.run();
        return;
      } catch (const std::exception& e) {
        log::error("http: network thread: {}", e.what());
      }
    }
  }

  void watch(tcp::acceptor& listener) {
    listener.async_wait(tcp::acceptor::wait_read, [this, &listener](error_code error) {
      if (!error && listener.is_open()) accept_waiting(listener);
    });
  }

  void accept_waiting(tcp::acceptor& listener) {
    for (int i = 0; i < kAcceptsPerTurn; ++i) {
      if (connections_.size() >= context_.limits.max_connections) {
        if (i > 0) break;  // perhaps nobody else is waiting
        cut_longest_idle();
        return wait_for_room(listener);
      }
      Accepted accepted = accept_connection(listener.native_handle());
      const int error = accepted.error_number;
      if (error == EAGAIN || error == EWOULDBLOCK) break;
      if (error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM) {
        return pause_accepting(listener, error);
      }
      if (error == 0 && !adopt(std::move(accepted))) return pause_accepting(listener, ENOMEM);
    }
    watch(listener);
  }

  // False when there is no memory for one more.
  bool adopt(Accepted accepted) {
    std::shared_ptr<Connection> connection;
    try {
      tune_connection(accepted.fd.get(), context_.limits.max_stream_buffer_bytes / 4);
      tcp::socket socket(io_);
      socket.assign(accepted.is_ipv6 ? tcp::v6() : tcp::v4(), accepted.fd.get());
      accepted.fd.release();
      connection = std::make_shared<Connection>(context_, std::move(socket), std::move(accepted.peer));
      connections_.insert(connection);
      connection->start([this, weak = std::weak_ptr(connection)] {
        connections_.erase(weak.lock());
        on_connection_ended();
      });
      return true;
    } catch (const std::exception& e) {
      log::error("http: a new connection: {}", e.what());
      if (connection) connections_.erase(connection);
      return false;
    }
  }

  void cut_longest_idle() {
    std::shared_ptr<Connection> longest;
    steady_clock::time_point since = steady_clock::now() - kYieldingIdleTime;
    for (const auto& connection : connections_) {
      const auto idle_since = connection->idle_since();
      if (!idle_since || *idle_since > since) continue;
      since = *idle_since;
      longest = connection;
    }
    if (longest) longest->cut();
  }

  void wait_for_room(tcp::acceptor& listener) {
    waiting_for_room_.push_back(&listener);
    // Connections become idle without ending, so look again.
    if (waiting_for_room_.size() > 1) return;
    pause_.expires_after(kAcceptPause);
    pause_.async_wait([this](error_code) { resume_accepting(); });
  }

  void pause_accepting(tcp::acceptor& listener, int error) {
    const auto now = steady_clock::now();
    if (now - last_warning_ > std::chrono::seconds(10)) {
      last_warning_ = now;
      log::warn("http: cannot accept: {}; {} connections are open; raise the limit of open files (ulimit -n)",
                errno_text(error), connections_.size());
    }
    wait_for_room(listener);
  }

  void resume_accepting() {
    for (tcp::acceptor* listener : std::exchange(waiting_for_room_, {})) {
      if (listener->is_open()) watch(*listener);
    }
  }

  void on_connection_ended() {
    if (context_.is_draining) {
      if (connections_.empty()) drain_timer_.cancel();
    } else if (connections_.size() + 1 >= context_.limits.max_connections) {
      pause_.cancel();
    }
  }

  // With the listeners closed, the loop ends by itself when the last connection has.
  void begin_drain(std::chrono::milliseconds deadline) {
    context_.is_draining = true;
    for (const auto& listener : listeners_) {
      error_code ignored;
      listener->close(ignored);
    }
    pause_.cancel();
    work_.reset();
    for (const auto& connection : connections_) connection->drain();
    if (connections_.empty()) return;
    drain_timer_.expires_after(deadline);
    drain_timer_.async_wait([this](error_code error) {
      if (error) return;
      for (const auto& connection : connections_) connection->cut();
    });
  }

  asio::io_context io_{1};
  ServerContext context_;
  asio::executor_work_guard<asio::io_context::executor_type> work_;
  std::vector<std::unique_ptr<tcp::acceptor>> listeners_;
  std::vector<tcp::acceptor*> waiting_for_room_;
  std::unordered_set<std::shared_ptr<Connection>> connections_;
  asio::steady_timer pause_, drain_timer_;
  steady_clock::time_point last_warning_ = steady_clock::now() - std::chrono::hours(1);
  std::thread thread_;
};

Server::Server(Limits limits) : impl_(std::make_unique<Impl>(limits)) {}
Server::~Server() = default;

void Server::route(std::string method, std::string path, Handler handler) {
  impl_->context().router.add(std::move(method), std::move(path), std::move(handler));
}
void Server::set_filter(Filter filter) { impl_->context().filter = std::move(filter); }
void Server::set_error_body(ErrorBody make) { impl_->context().error_body = std::move(make); }
std::uint16_t Server::listen(const std::string& host, std::uint16_t port) { return impl_->listen(host, port); }
void Server::start() { impl_->start(); }
void Server::drain(std::chrono::milliseconds deadline) { impl_->drain(deadline); }

}  // namespace tandem::http
