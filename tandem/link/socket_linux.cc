// Linux gives the flags of a socket in the call that makes it, so that no fork can come between.
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cerrno>

#include "tandem/base/error.h"
#include "tandem/link/socket.h"

namespace tandem::link {

UniqueFd open_socket(int family, int type) {
  UniqueFd fd(::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) throw Error(Code::kIo, "socket: " + errno_text(errno));
  return fd;
}

UniqueFd accept_socket(int listening_fd) {
  return UniqueFd(::accept4(listening_fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
}

int send_flags() { return MSG_NOSIGNAL; }

void set_keepalive_idle(int fd, int seconds) {
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof(seconds));
}

std::string no_route_hint() { return ""; }

}  // namespace tandem::link
