// Sockets as this room uses them: non-blocking, closed on exec, without SIGPIPE; addresses as people write them; waiting with
// a deadline. What differs between systems is in socket_linux.cc and socket_macos.cc.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tandem/base/unique_fd.h"

namespace tandem::link {

using TimePoint = std::chrono::steady_clock::time_point;

/// "unix:/path" names a unix socket wherever a host or an address is asked for.
inline constexpr std::string_view kUnixPrefix = "unix:";

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }
};

/// Every address of `host` (name, .local, IPv4, IPv6 with or without brackets and scope, unix:/path), each once, in the
/// system's order of preference. Throws Error{kUnavailable} that says which name did not resolve and why.
std::vector<SocketAddress> resolve(const std::string& host, std::uint16_t port);
/// "192.168.1.7", "fe80::1%en0"; an IPv4 address inside IPv6 as IPv4; "unix" for a unix socket.
std::string to_text(const SocketAddress& address);
/// The TCP port; 0 for a unix socket.
std::uint16_t port_of(const SocketAddress& address);
SocketAddress local_address_of(int fd);
SocketAddress peer_address_of(int fd);

/// A new socket, non-blocking, closed on exec; throws Error{kIo}.
UniqueFd open_socket(int family, int type);
/// The next waiting connection in the same state; -1 with errno when there is none.
UniqueFd accept_socket(int listening_fd);
/// The flags that every ::send takes.
int send_flags();
/// Small frames leave at once, and a peer whose machine is gone is noticed also on an idle connection. Nothing for unix
/// sockets.
void tune_connection(int fd, int family);
struct Attempt {
  UniqueFd socket;      ///< non-blocking, tuned; only when `failure` is 0
  int failure = 0;      ///< errno of connect, or kTimedOutHere
};
/// The deadline passed before the system itself gave up.
inline constexpr int kTimedOutHere = -1;
/// A stream connection to one address.
Attempt try_connect(const SocketAddress& address, TimePoint deadline);
/// What to check on this system when a connection finds no route; "" where nothing is special.
std::string no_route_hint();

/// Waits until the socket can be read (or written), was shut down or failed; false at the deadline.
bool wait_readable(int fd, TimePoint deadline);
bool wait_writable(int fd, TimePoint deadline);
/// For ::poll: milliseconds until the deadline, rounded up; 0 when it has passed.
int poll_timeout_ms(TimePoint deadline);

/// Platform part of open_socket and tune_connection.
void set_keepalive_idle(int fd, int seconds);

}  // namespace tandem::link
