// The accepting end. One thread polls the listening socket and every unfinished handshake, so that a stranger costs a
// descriptor for at most two seconds and never a thread.
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <list>
#include <mutex>
#include <thread>

#include "tandem/base/channel.h"
#include "tandem/base/error.h"
#include "tandem/link/handshake.h"
#include "tandem/link/link_impl.h"
#include "tandem/link/refusals.h"
#include "tandem/link/secret.h"
#include "tandem/link/socket.h"

namespace tandem::link {
namespace {

// So that handshakes under way get their turn within a flood of new connections.
constexpr int kMaxAcceptsPerTurn = 8;
/// Proved links that nobody has taken yet.
constexpr std::size_t kMaxWaiting = 64;

std::string unix_path(const SocketAddress& address) {
  return reinterpret_cast<const sockaddr_un*>(&address.storage)->sun_path;
}

/// For messages: "192.168.1.7 port 12355".
std::string place_of(const std::string& address, std::uint16_t port) {
  return address.starts_with(kUnixPrefix) ? address : address + " port " + std::to_string(port);
}

/// Removes a socket file that a process which is gone has left.
void remove_stale_socket(const SocketAddress& address) {
  const std::string path = unix_path(address);
  struct stat status;
  if (::lstat(path.c_str(), &status) != 0 || !S_ISSOCK(status.st_mode)) return;
  const UniqueFd probe = open_socket(AF_UNIX, SOCK_STREAM);
  if (::connect(probe.get(), address.get(), address.size) != 0 && errno == ECONNREFUSED) ::unlink(path.c_str());
}

UniqueFd listen_on(const SocketAddress& address) {
  const auto fail = [] { throw Error(Code::kIo, errno_text(errno)); };
  UniqueFd socket = open_socket(address.family(), SOCK_STREAM);
  const int on = 1;
  if (address.family() == AF_UNIX) {
    remove_stale_socket(address);
  } else {
    ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    // "::" beside "0.0.0.0" on one port: each takes its own family.
    if (address.family() == AF_INET6) ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
  }
  if (::bind(socket.get(), address.get(), address.size) != 0) fail();
  // Nobody can connect before listen, so that the file is never open to others.
  if (address.family() == AF_UNIX && ::chmod(unix_path(address).c_str(), 0600) != 0) fail();
  if (::listen(socket.get(), SOMAXCONN) != 0) fail();
  return socket;
}

struct WakePipe {
  UniqueFd read_end, write_end;
};

WakePipe make_wake_pipe() {
  int ends[2];
  if (::pipe(ends) != 0) throw Error(Code::kIo, "pipe: " + errno_text(errno));
  for (const int fd : ends) {
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    ::fcntl(fd, F_SETFL, O_NONBLOCK);
  }
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

/// A connection whose peer has not proved the secret yet.
struct HalfOpen {
  UniqueFd socket;
  std::string address;
  Handshake handshake;
  TimePoint deadline;
  Bytes arrived;          ///< of the message that the handshake wants next
  bool is_refused = false;  ///< only waits for `deadline`, when its answer is sent
  bool is_done = false;
};

/// A fresh socket takes a few hundred bytes at once; one that does not is not worth waiting for.
bool send_answer(HalfOpen& peer) {
  const Bytes answer = peer.handshake.take_output();
  if (answer.empty()) return true;
  return ::send(peer.socket.get(), answer.data(), answer.size(), send_flags()) == static_cast<ssize_t>(answer.size());
}

}  // namespace

class Listener::Impl {
 public:
  Impl(const std::string& address, std::uint16_t port, Secret secret, Identity self, ListenOptions options);
  ~Impl();

  std::uint16_t port() const { return port_; }
  std::optional<Link> accept(TimePoint deadline) { return proved_.receive_until(deadline); }
  std::vector<std::string> recent_refusals() const { return refusals_->recent(); }
  void set_secret(Secret secret);
  void close();

 private:
  void run();
  void wait_for_events();
  void accept_some();
  void make_room();
  void advance(HalfOpen& peer);
  bool read_arrived(HalfOpen& peer);
  void refuse(HalfOpen& peer, const Error& error);
  void hand_over(HalfOpen& peer);
  void end_expired(TimePoint now);

  const Identity self_;
  const ListenOptions options_;
  UniqueFd socket_;
  std::uint16_t port_ = 0;
  WakePipe wake_;
  mutable std::mutex secret_mutex_;
  Secret secret_;
  std::optional<Refusals> refusals_;  ///< set before the thread starts
  Channel<Link> proved_;
  std::atomic<bool> closing_{false};
  std::list<HalfOpen> half_open_;  ///< oldest first; this and the next two belong to the thread
  std::vector<pollfd> events_;
  TimePoint pause_accepting_until_{};
  std::thread thread_;
};

Listener::Impl::Impl(const std::string& address, std::uint16_t port, Secret secret, Identity self, ListenOptions options)
    : self_(std::move(self)),
      options_(std::move(options)),
      wake_(make_wake_pipe()),
      secret_(std::move(secret)) {
  require_strong(secret_);
  try {
    socket_ = listen_on(resolve(address, port).front());
  } catch (const Error& error) {
    throw Error(Code::kIo, "cannot listen on " + place_of(address, port) + ": " + error.what());
  }
  port_ = port_of(local_address_of(socket_.get()));
  refusals_.emplace("link on " + place_of(address, port_));
  thread_ = std::thread([this] { run(); });
}

Listener::Impl::~Impl() { close(); }

void Listener::Impl::set_secret(Secret secret) {
  require_strong(secret);
  const std::lock_guard lock(secret_mutex_);
  secret_ = std::move(secret);
}

void Listener::Impl::close() {
  if (closing_.exchange(true)) return;
  const char byte = 0;
  // The pipe holds far more than this one byte, so the write cannot fail for want of room.
  if (::write(wake_.write_end.get(), &byte, 1) < 0) proved_.close();
  thread_.join();
  const SocketAddress address = local_address_of(socket_.get());
  if (address.family() == AF_UNIX) ::unlink(unix_path(address).c_str());
  socket_.reset();
  proved_.close();
}

void Listener::Impl::run() {
  while (true) {
    wait_for_events();
    if (closing_) break;
    auto event = events_.begin() + 2;
    for (HalfOpen& peer : half_open_) {
      const bool is_ready = (event++)->revents != 0;
      if (is_ready && !peer.is_refused) advance(peer);
    }
    std::erase_if(half_open_, [](const HalfOpen& peer) { return peer.is_done; });
    if (events_[1].revents != 0) accept_some();
    end_expired(std::chrono::steady_clock::now());
  }
  half_open_.clear();
}

void Listener::Impl::wait_for_events() {
  const TimePoint now = std::chrono::steady_clock::now();
  const bool is_paused = now < pause_accepting_until_;
  TimePoint next = is_paused ? pause_accepting_until_ : TimePoint::max();
  events_.clear();
  events_.push_back({wake_.read_end.get(), POLLIN, 0});
  events_.push_back({is_paused ? -1 : socket_.get(), POLLIN, 0});
  for (const HalfOpen& peer : half_open_) {
    // A refused peer that hangs up would be readable for ever; its answer is all that is left.
    events_.push_back({peer.is_refused ? -1 : peer.socket.get(), POLLIN, 0});
    next = std::min(next, peer.deadline);
  }
  if (::poll(events_.data(), static_cast<nfds_t>(events_.size()), poll_timeout_ms(next)) < 0) {
    for (pollfd& event : events_) event.revents = 0;
  }
}

void Listener::Impl::accept_some() {
  for (int i = 0; i < kMaxAcceptsPerTurn; ++i) {
    UniqueFd socket = accept_socket(socket_.get());
    const TimePoint now = std::chrono::steady_clock::now();
    if (!socket) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        refusals_->add("a connection: " + errno_text(errno), now);
        if (!half_open_.empty()) half_open_.pop_front();
        pause_accepting_until_ = now + std::chrono::milliseconds(50);
      }
      return;
    }
    const SocketAddress address = peer_address_of(socket.get());
    tune_connection(socket.get(), address.family());
    make_room();
    const std::lock_guard lock(secret_mutex_);
    half_open_.push_back({std::move(socket), to_text(address), Handshake(Side::kAccepting, secret_, self_),
                          now + options_.handshake_timeout});
  }
}

void Listener::Impl::make_room() {
  if (half_open_.size() < options_.max_half_open) return;
  const auto is_stranger = [](const HalfOpen& peer) {
    return peer.is_refused || !peer.handshake.peer_introduced();
  };
  const auto oldest = std::find_if(half_open_.begin(), half_open_.end(), is_stranger);
  half_open_.erase(oldest == half_open_.end() ? half_open_.begin() : oldest);
}

/// Takes what has arrived as far as it goes.
void Listener::Impl::advance(HalfOpen& peer) {
  try {
    while (read_arrived(peer)) {
      peer.handshake.feed(std::exchange(peer.arrived, {}));
      if (!send_answer(peer)) {
        peer.is_done = true;
        return;
      }
      if (peer.handshake.finished()) return hand_over(peer);
    }
  } catch (const Error& error) {
    refuse(peer, error);
  }
}

/// True when the whole next message is there. False, and is_done, when the peer has gone.
bool Listener::Impl::read_arrived(HalfOpen& peer) {
  std::array<std::uint8_t, Handshake::kMaxMessageBytes> buffer;
  while (peer.arrived.size() < peer.handshake.wanted()) {
    const std::size_t missing = peer.handshake.wanted() - peer.arrived.size();
    const ssize_t count = ::recv(peer.socket.get(), buffer.data(), missing, 0);
    if (count > 0) {
      peer.arrived.insert(peer.arrived.end(), buffer.begin(), buffer.begin() + count);
    } else if (count < 0 && errno == EINTR) {
      continue;
    } else {
      peer.is_done = count == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
      return false;
    }
  }
  return true;
}

void Listener::Impl::refuse(HalfOpen& peer, const Error& error) {
  const TimePoint now = std::chrono::steady_clock::now();
  peer.is_refused = true;
  peer.deadline = now;
  if (error.code() == Code::kUnauthenticated) {
    refusals_->add("wrong secret from " + peer.address + " (" + peer.handshake.peer().name + ")", now);
    peer.deadline = now + refusals_->penalty(peer.address, now);
  } else if (error.code() == Code::kMismatch) {
    refusals_->add(peer.address + ": " + error.what(), now);
  } else {
    refusals_->add("a connection from " + peer.address + " that is not tandem's", now);
  }
}

void Listener::Impl::hand_over(HalfOpen& peer) {
  peer.is_done = true;
  if (proved_.size() >= kMaxWaiting) {
    refusals_->add(peer.address + ": too many links wait to be served", std::chrono::steady_clock::now());
    return;
  }
  proved_.send(Link(std::make_unique<Link::Impl>(std::move(peer.socket), peer.handshake, options_.frame_limit,
                                                 options_.send_timeout)));
}

void Listener::Impl::end_expired(TimePoint now) {
  for (HalfOpen& peer : half_open_) {
    if (now < peer.deadline) continue;
    peer.is_done = true;
    send_answer(peer);
  }
  std::erase_if(half_open_, [](const HalfOpen& peer) { return peer.is_done; });
}

Listener::Listener(const std::string& address, std::uint16_t port, Secret secret, Identity self, ListenOptions options)
    : impl_(std::make_unique<Impl>(address, port, std::move(secret), std::move(self), std::move(options))) {}
Listener::~Listener() = default;
std::uint16_t Listener::port() const { return impl_->port(); }
std::optional<Link> Listener::accept(std::chrono::steady_clock::time_point deadline) { return impl_->accept(deadline); }
std::vector<std::string> Listener::recent_refusals() const { return impl_->recent_refusals(); }
void Listener::set_secret(Secret secret) { impl_->set_secret(std::move(secret)); }
void Listener::close() { impl_->close(); }

}  // namespace tandem::link
