#include "tandem/link/data_port.h"

#include <netinet/in.h>

#include <algorithm>
#include <cerrno>

#include "tandem/base/error.h"

namespace tandem::link {
namespace {

constexpr std::chrono::seconds kStrangersTime{1};
constexpr std::size_t kLongestToken = 256;

/// A socket bound to the address; -1 with errno when that is not possible.
UniqueFd bound_socket(const SocketAddress& address) {
  UniqueFd socket = open_socket(address.family(), SOCK_STREAM);
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (address.family() == AF_INET6) ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
  if (::bind(socket.get(), address.get(), address.size) != 0) return UniqueFd();
  return socket;
}

/// Exactly `size` bytes, or fewer when the peer ended or the deadline passed.
std::string read_up_to(int fd, std::size_t size, TimePoint deadline) {
  std::string bytes;
  char buffer[kLongestToken];
  while (bytes.size() < size) {
    const ssize_t count = ::recv(fd, buffer, std::min(sizeof(buffer), size - bytes.size()), 0);
    if (count > 0) {
      bytes.append(buffer, static_cast<std::size_t>(count));
    } else if (count == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
      break;
    } else if (errno != EINTR && !wait_readable(fd, deadline)) {
      break;
    }
  }
  return bytes;
}

/// A token is smaller than any fresh connection's send buffer, so that one call takes it whole.
bool send_token(int fd, std::string_view token) {
  return ::send(fd, token.data(), token.size(), send_flags()) == static_cast<ssize_t>(token.size());
}

std::string cause_of(int failure) {
  switch (failure) {
    case kTimedOutHere:
    case ETIMEDOUT: return "timed out, so a firewall drops it";
    case ECONNREFUSED: return "refused, so a firewall rejects it";
    default: return errno_text(failure);
  }
}

}  // namespace

DataPort::DataPort(const std::string& address) {
  const SocketAddress wanted = resolve(address, 0).front();
  socket_ = bound_socket(wanted);
  if (socket_.get() < 0 || ::listen(socket_.get(), 8) != 0) {
    throw Error(Code::kIo, "cannot listen on " + address + ": " + errno_text(errno));
  }
  port_ = port_of(local_address_of(socket_.get()));
}

bool DataPort::meet(std::string_view token, TimePoint deadline) {
  while (wait_readable(socket_.get(), deadline)) {
    const UniqueFd connection = accept_socket(socket_.get());
    if (connection.get() < 0) continue;
    const TimePoint patience = std::min(deadline, std::chrono::steady_clock::now() + kStrangersTime);
    if (read_up_to(connection.get(), token.size(), patience) == token) return send_token(connection.get(), token);
  }
  return false;
}

std::string reach_data_port(const std::string& address, std::uint16_t port, std::string_view token, TimePoint deadline) {
  const Attempt attempt = try_connect(resolve(address, port).front(), deadline);
  if (attempt.failure != 0) return cause_of(attempt.failure);
  if (!send_token(attempt.socket.get(), token)) return "the connection broke at once";
  if (read_up_to(attempt.socket.get(), token.size(), deadline) != token) return "it connects, but another program answers";
  return "";
}

bool is_port_free(const std::string& address, std::uint16_t port) {
  return bound_socket(resolve(address, port).front()).get() >= 0;
}

}  // namespace tandem::link
