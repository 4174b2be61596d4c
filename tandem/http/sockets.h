// TCP sockets below Asio: opened close-on-exec, since the head starts stages, and tuned. For server and client.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "tandem/base/unique_fd.h"

struct sockaddr;

namespace tandem::http {

/// A non-blocking, close-on-exec TCP socket that listens on `host`, an IPv4 or IPv6 address. An IPv6 socket takes IPv6 only,
/// so 0.0.0.0 and :: do not collide. Throws Error{kIo}, or {kInvalidArgument} when host is not an address.
UniqueFd open_listener(const std::string& host, std::uint16_t port);

/// The port a socket is bound to.
std::uint16_t local_port(int fd);

struct Accepted {
  UniqueFd fd;            ///< non-blocking, close-on-exec; none if nobody waits or accept failed
  std::string peer;       ///< "127.0.0.1:51514", "[::1]:51514"
  bool is_ipv6 = false;
  int error_number = 0;   ///< why there is none; EAGAIN if nobody waits
};
Accepted accept_connection(int listener);

/// Sends small writes at once, looks for dead peers by keepalive, bounds the kernel's send buffer (0: leaves it).
/// Failures are ignored: the socket works without.
void tune_connection(int fd, std::size_t send_buffer_bytes);

/// A close-on-exec socket of an address family. -1 and errno on failure.
int open_stream_socket(int family);

/// send() that never raises SIGPIPE, on sockets made here: the bytes taken, or -1 and errno.
long send_bytes(int fd, std::string_view bytes);

/// The platform's part (sockets_linux.cc, sockets_macos.cc).
namespace platform {
int accept_close_on_exec(int listener, sockaddr* address, unsigned* address_bytes);
/// The first probe after `idle` seconds of silence, then every `interval`, dead after `count`.
void set_keepalive_times(int fd, int idle_s, int interval_s, int count);
/// Bytes that the kernel holds and the peer has not acknowledged; -1 if unknown.
long unacknowledged_bytes(int fd);
}  // namespace platform

}  // namespace tandem::http
