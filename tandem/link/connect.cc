// The connecting end: every address of a name in turn, and a cause for each one that failed.
#include <cerrno>

#include "tandem/base/clock.h"
#include "tandem/base/error.h"
#include "tandem/base/strings.h"
#include "tandem/link/handshake.h"
#include "tandem/link/link_impl.h"
#include "tandem/link/secret.h"
#include "tandem/link/socket.h"

namespace tandem::link {
namespace {

constexpr std::size_t kMaxAddresses = 16;

std::string cause_of(int failure) {
  switch (failure) {
    case ECONNREFUSED:
      return "refused: nothing listens there (is `tandem serve` running on it?)";
    case ENOENT:
      return "there is no such socket";
    case ETIMEDOUT:
      return "timed out: the machine is off, or a firewall drops the connection";
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN: {
      const std::string hint = no_route_hint();
      return "no route to it" + (hint.empty() ? "" : ": " + hint);
    }
    case EINVAL:
      return "not usable as it is: a link-local address needs its interface, as in fe80::1%en0";
    default:
      return errno_text(failure);
  }
}

std::string what_to_do(Code code) {
  return code == Code::kUnauthenticated ? "; take the one that `tandem secret` prints on the head" : "";
}

/// Throws Error{kUnavailable} with the cause.
UniqueFd connect_socket(const SocketAddress& address, std::chrono::milliseconds timeout) {
  Attempt attempt = try_connect(address, std::chrono::steady_clock::now() + timeout);
  if (attempt.failure == kTimedOutHere) {
    throw Error(Code::kUnavailable, format("timed out after %.1f s: the machine is off, or a firewall drops the connection",
                                           to_seconds(timeout)));
  }
  if (attempt.failure != 0) throw Error(Code::kUnavailable, cause_of(attempt.failure));
  return std::move(attempt.socket);
}

void write_all(int fd, std::span<const std::uint8_t> bytes, TimePoint deadline) {
  while (!bytes.empty()) {
    const ssize_t count = ::send(fd, bytes.data(), bytes.size(), send_flags());
    if (count >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(count));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (!wait_writable(fd, deadline)) throw Error(Code::kUnavailable, "it accepts connections but reads nothing");
    } else if (errno == EPIPE || errno == ECONNRESET) {
      return;  // whatever the peer said before it closed is still to be read
    } else if (errno != EINTR) {
      throw Error(Code::kUnavailable, errno_text(errno));
    }
  }
}

Bytes read_exactly(int fd, std::size_t size, TimePoint deadline) {
  Bytes bytes(size);
  std::size_t have = 0;
  while (have < size) {
    const ssize_t count = ::recv(fd, bytes.data() + have, size - have, 0);
    if (count > 0) {
      have += static_cast<std::size_t>(count);
    } else if (count == 0 || errno == ECONNRESET) {
      throw Error(Code::kUnavailable, "it closed the connection during the handshake (not tandem, or too busy)");
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (!wait_readable(fd, deadline)) {
        throw Error(Code::kUnavailable, "it accepted the connection and did not answer the handshake in time");
      }
    } else if (errno != EINTR) {
      throw Error(Code::kUnavailable, errno_text(errno));
    }
  }
  return bytes;
}

void shake_hands(int fd, Handshake& handshake, TimePoint deadline) {
  write_all(fd, handshake.take_output(), deadline);
  while (!handshake.finished()) {
    handshake.feed(read_exactly(fd, handshake.wanted(), deadline));
    write_all(fd, handshake.take_output(), deadline);
  }
}

}  // namespace

Link connect(const std::string& host, std::uint16_t port, const Secret& secret, const Identity& self,
             const ConnectOptions& options) {
  require_strong(secret);
  std::vector<SocketAddress> addresses = resolve(host, port);
  if (addresses.size() > kMaxAddresses) addresses.resize(kMaxAddresses);
  const bool is_unix = addresses.front().family() == AF_UNIX;
  const std::string target = is_unix ? host : host + " port " + std::to_string(port);
  std::optional<Error> refusal;  // a peer that answered tells more than addresses that did not
  std::vector<std::string> causes;
  for (const SocketAddress& address : addresses) {
    try {
      UniqueFd socket = connect_socket(address, options.connect_timeout);
      Handshake handshake(Side::kConnecting, secret, self);
      shake_hands(socket.get(), handshake, std::chrono::steady_clock::now() + options.handshake_timeout);
      return Link(std::make_unique<Link::Impl>(std::move(socket), handshake, options.frame_limit,
                                               options.send_timeout));
    } catch (const Error& error) {
      causes.push_back(to_text(address) + ": " + error.what());
      if (error.code() == Code::kUnauthenticated || error.code() == Code::kMismatch) {
        refusal.emplace(error.code(), target + ": " + error.what() + what_to_do(error.code()));
      }
    }
  }
  if (refusal) throw *refusal;
  throw Error(Code::kUnavailable, "cannot reach " + target + ": " + join(causes, "; "));
}

}  // namespace tandem::link
