#include "tandem/http/sockets.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "tandem/base/error.h"

namespace tandem::http {
namespace {

// A client behind a pulled cable costs its place for a minute at most.
constexpr int kKeepaliveIdleSeconds = 30, kKeepaliveIntervalSeconds = 10, kKeepaliveCount = 3;
constexpr int kBacklog = 4096;

struct Address {
  sockaddr_storage storage{};
  socklen_t bytes = 0;
};

Address parse_address(const std::string& host, std::uint16_t port) {
  Address address;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
  if (inet_pton(AF_INET, host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    address.bytes = sizeof(sockaddr_in);
  } else if (inet_pton(AF_INET6, host.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    address.bytes = sizeof(sockaddr_in6);
  } else {
    throw Error(Code::kInvalidArgument, "listen on \"" + host + "\": not an IPv4 or IPv6 address");
  }
  return address;
}

std::string display(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = "?";
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    return std::string(text) + ":" + std::to_string(ntohs(v4.sin_port));
  }
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
  inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
  return "[" + std::string(text) + "]:" + std::to_string(ntohs(v6.sin6_port));
}

void set_option(int fd, int level, int name, int value) { ::setsockopt(fd, level, name, &value, sizeof value); }

}  // namespace

UniqueFd open_listener(const std::string& host, std::uint16_t port) {
  const Address address = parse_address(host, port);
  const auto fail = [&](const char* what, int error_number) {
    std::string message = std::string(what) + " " + host + " port " + std::to_string(port) + ": ";
    if (error_number == EADDRINUSE) {
      message += "the port is taken; stop the program that holds it or choose another port";
    } else if (error_number == EADDRNOTAVAIL) {
      message += "no interface of this machine has that address";
    } else {
      message += errno_text(error_number);
    }
    return Error(Code::kIo, message);
  };
  UniqueFd fd(open_stream_socket(address.storage.ss_family));
  if (!fd) throw fail("open a socket for", errno);
  set_option(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (address.storage.ss_family == AF_INET6) set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address.storage), address.bytes) != 0) {
    throw fail("listen on", errno);
  }
  if (::listen(fd.get(), kBacklog) != 0) throw fail("listen on", errno);
  ::fcntl(fd.get(), F_SETFL, O_NONBLOCK);
  return fd;
}

std::uint16_t local_port(int fd) {
  sockaddr_storage address{};
  socklen_t bytes = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &bytes) != 0) return 0;
  if (address.ss_family == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in&>(address).sin_port);
  return ntohs(reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
}

Accepted accept_connection(int listener) {
  Accepted accepted;
  sockaddr_storage address{};
  unsigned bytes = sizeof address;
  const int fd = platform::accept_close_on_exec(listener, reinterpret_cast<sockaddr*>(&address), &bytes);
  if (fd < 0) {
    accepted.error_number = errno;
    return accepted;
  }
  accepted.fd.reset(fd);
  accepted.is_ipv6 = address.ss_family == AF_INET6;
  accepted.peer = display(address);
  return accepted;
}

void tune_connection(int fd, std::size_t send_buffer_bytes) {
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  platform::set_keepalive_times(fd, kKeepaliveIdleSeconds, kKeepaliveIntervalSeconds, kKeepaliveCount);
  if (send_buffer_bytes == 0) return;
  set_option(fd, SOL_SOCKET, SO_SNDBUF, static_cast<int>(std::min<std::size_t>(send_buffer_bytes, 1 << 30)));
}

int open_stream_socket(int family) {
#ifdef SOCK_CLOEXEC
  return ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
#else
  const int fd = ::socket(family, SOCK_STREAM, IPPROTO_TCP);
  if (fd < 0) return fd;
  ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  set_option(fd, SOL_SOCKET, SO_NOSIGPIPE, 1);
  return fd;
#endif
}

long send_bytes(int fd, std::string_view bytes) {
#ifdef MSG_NOSIGNAL
  return ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
#else
  return ::send(fd, bytes.data(), bytes.size(), 0);  // the socket has SO_NOSIGPIPE
#endif
}

}  // namespace tandem::http
