// What macOS has of its own for sockets. Its accept cannot set close-on-exec at once: a child started between the two calls
// inherits the connection, for the length of its life at most.
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "tandem/http/sockets.h"

namespace tandem::http::platform {

int accept_close_on_exec(int listener, sockaddr* address, unsigned* address_bytes) {
  const int fd = ::accept(listener, address, address_bytes);
  if (fd < 0) return fd;
  ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  ::fcntl(fd, F_SETFL, O_NONBLOCK);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on);
  return fd;
}

void set_keepalive_times(int fd, int idle_s, int interval_s, int count) {
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPALIVE, &idle_s, sizeof idle_s);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}

long unacknowledged_bytes(int fd) {
  int bytes = 0;
  socklen_t size = sizeof bytes;
  return ::getsockopt(fd, SOL_SOCKET, SO_NWRITE, &bytes, &size) == 0 ? bytes : -1;
}

}  // namespace tandem::http::platform
