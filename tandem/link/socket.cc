#include "tandem/link/socket.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "tandem/base/error.h"

namespace tandem::link {
namespace {

SocketAddress unix_address(const std::string& path) {
  SocketAddress address;
  auto* un = reinterpret_cast<sockaddr_un*>(&address.storage);
  un->sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(un->sun_path)) {
    throw Error(Code::kInvalidArgument, "unix socket path '" + path + "' must have 1 to " +
                                            std::to_string(sizeof(un->sun_path) - 1) + " bytes");
  }
  std::memcpy(un->sun_path, path.c_str(), path.size() + 1);
  address.size = sizeof(sockaddr_un);
  return address;
}

/// "[fe80::1%en0]" as "fe80::1%en0".
std::string without_brackets(const std::string& host) {
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') return host.substr(1, host.size() - 2);
  return host;
}

bool same(const SocketAddress& a, const SocketAddress& b) {
  return a.size == b.size && std::memcmp(&a.storage, &b.storage, a.size) == 0;
}

bool wait_for(int fd, short events, TimePoint deadline) {
  while (true) {
    pollfd entry{fd, events, 0};
    const int count = ::poll(&entry, 1, poll_timeout_ms(deadline));
    if (count > 0) return true;
    if (count < 0 && errno != EINTR) throw Error(Code::kIo, "poll: " + errno_text(errno));
    if (count == 0 && std::chrono::steady_clock::now() >= deadline) return false;
  }
}

}  // namespace

std::vector<SocketAddress> resolve(const std::string& host, std::uint16_t port) {
  if (host.starts_with(kUnixPrefix)) return {unix_address(host.substr(kUnixPrefix.size()))};
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int failure =
      ::getaddrinfo(without_brackets(host).c_str(), std::to_string(port).c_str(), &hints, &found);
  if (failure != 0) {
    throw Error(Code::kUnavailable, "the name '" + host + "' does not resolve (" + ::gai_strerror(failure) +
                                        "): check its spelling, or give the machine's IP address");
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> list(found, ::freeaddrinfo);
  std::vector<SocketAddress> addresses;
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    SocketAddress address;
    std::memcpy(&address.storage, entry->ai_addr, entry->ai_addrlen);
    address.size = entry->ai_addrlen;
    const auto is_same = [&](const SocketAddress& other) { return same(address, other); };
    if (std::none_of(addresses.begin(), addresses.end(), is_same)) addresses.push_back(address);
  }
  return addresses;
}

std::string to_text(const SocketAddress& address) {
  if (address.family() == AF_UNIX || address.size == 0) return "unix";
  char host[NI_MAXHOST];
  if (::getnameinfo(address.get(), address.size, host, sizeof(host), nullptr, 0, NI_NUMERICHOST) != 0) return "?";
  constexpr std::string_view kMapped = "::ffff:";
  const std::string_view text = host;
  const bool is_mapped = text.starts_with(kMapped) && text.find('.') != text.npos;
  return std::string(is_mapped ? text.substr(kMapped.size()) : text);
}

std::uint16_t port_of(const SocketAddress& address) {
  if (address.family() == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in*>(&address.storage)->sin_port);
  if (address.family() == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6*>(&address.storage)->sin6_port);
  return 0;
}

SocketAddress local_address_of(int fd) {
  SocketAddress address;
  address.size = sizeof(address.storage);
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address.storage), &address.size) != 0) address.size = 0;
  return address;
}

SocketAddress peer_address_of(int fd) {
  SocketAddress address;
  address.size = sizeof(address.storage);
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&address.storage), &address.size) != 0) address.size = 0;
  return address;
}

void tune_connection(int fd, int family) {
  if (family == AF_UNIX) return;
  // A peer may be gone already; then these fail, and so does the next read, which says why.
  const int on = 1, interval_s = 3, count = 3;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof(interval_s));
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
  set_keepalive_idle(fd, 10);
}

Attempt try_connect(const SocketAddress& address, TimePoint deadline) {
  UniqueFd socket = open_socket(address.family(), SOCK_STREAM);
  tune_connection(socket.get(), address.family());
  if (::connect(socket.get(), address.get(), address.size) == 0) return {std::move(socket), 0};
  // A unix socket whose queue is full says EAGAIN and is not connecting; TCP says EINPROGRESS.
  if (errno != EINPROGRESS && errno != EINTR) return {UniqueFd(), errno};
  if (!wait_writable(socket.get(), deadline)) return {UniqueFd(), kTimedOutHere};
  int failure = 0;
  socklen_t size = sizeof(failure);
  ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &failure, &size);
  return {std::move(socket), failure};
}

int poll_timeout_ms(TimePoint deadline) {
  using std::chrono::milliseconds;
  const TimePoint now = std::chrono::steady_clock::now();
  if (deadline <= now) return 0;
  // Callers look at the clock again after a timeout, so that an hour stands for "for ever" without overflow.
  if (deadline - now > std::chrono::hours(1)) return 3'600'000;
  return static_cast<int>(std::chrono::ceil<milliseconds>(deadline - now).count());
}

bool wait_readable(int fd, TimePoint deadline) { return wait_for(fd, POLLIN, deadline); }
bool wait_writable(int fd, TimePoint deadline) { return wait_for(fd, POLLOUT, deadline); }

}  // namespace tandem::link
