// macOS sets the flags of a socket after it is made, suppresses SIGPIPE per socket, and asks the user before a program may
// reach the local network.
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cerrno>

#include "tandem/base/error.h"
#include "tandem/link/socket.h"

namespace tandem::link {
namespace {

void set_flags(int fd) {
  const int on = 1;
  ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  ::setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof(on));
}

}  // namespace

UniqueFd open_socket(int family, int type) {
  UniqueFd fd(::socket(family, type, 0));
  if (!fd) throw Error(Code::kIo, "socket: " + errno_text(errno));
  set_flags(fd.get());
  return fd;
}

UniqueFd accept_socket(int listening_fd) {
  UniqueFd fd(::accept(listening_fd, nullptr, nullptr));
  if (fd) set_flags(fd.get());
  return fd;
}

int send_flags() { return 0; }

void set_keepalive_idle(int fd, int seconds) {
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPALIVE, &seconds, sizeof(seconds));
}

std::string no_route_hint() {
  return "allow this program under System Settings > Privacy & Security > Local Network";
}

}  // namespace tandem::link
