// What Linux has of its own for sockets.
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "tandem/http/sockets.h"

namespace tandem::http::platform {

int accept_close_on_exec(int listener, sockaddr* address, unsigned* address_bytes) {
  return ::accept4(listener, address, address_bytes, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

void set_keepalive_times(int fd, int idle_s, int interval_s, int count) {
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
}

long unacknowledged_bytes(int fd) {
  int bytes = 0;
  return ::ioctl(fd, SIOCOUTQ, &bytes) == 0 ? bytes : -1;
}

}  // namespace tandem::http::platform
