// The gate on Linux: a packet filter on Gloo's listening socket, and `listen` and `connect` seen
// before libtorch's calls reach the kernel. Gloo offers no hook, so this file defines the two
// functions; for threads without a Scope they are plain.
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "tandem/base/error.h"
#include "tandem/base/unique_fd.h"
#include "tandem/comm/mesh_gate.h"

namespace tandem::comm {
namespace {

using TimePoint = std::chrono::steady_clock::time_point;

/// The gate whose Scope lives on this thread.
thread_local MeshGate::Impl* gate_of_thread = nullptr;

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_storage);
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }
};

SocketAddress to_socket_address(const Endpoint& endpoint) {
  SocketAddress address;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
  if (::inet_pton(AF_INET, endpoint.address.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(endpoint.port);
    address.size = sizeof(sockaddr_in);
  } else if (::inet_pton(AF_INET6, endpoint.address.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(endpoint.port);
    address.size = sizeof(sockaddr_in6);
  } else {
    throw Error(Code::kInvalidArgument, "\"" + endpoint.address + "\" is not an IP address");
  }
  return address;
}

std::uint16_t port_of(const SocketAddress& address) {
  return ntohs(address.family() == AF_INET6
                   ? reinterpret_cast<const sockaddr_in6*>(&address.storage)->sin6_port
                   : reinterpret_cast<const sockaddr_in*>(&address.storage)->sin_port);
}

/// Equal family, IP and port.
bool is_same(const SocketAddress& a, const SocketAddress& b) {
  if (a.family() != b.family() || port_of(a) != port_of(b)) return false;
  if (a.family() == AF_INET6) {
    return std::memcmp(&reinterpret_cast<const sockaddr_in6*>(&a.storage)->sin6_addr,
                       &reinterpret_cast<const sockaddr_in6*>(&b.storage)->sin6_addr,
                       sizeof(in6_addr)) == 0;
  }
  return reinterpret_cast<const sockaddr_in*>(&a.storage)->sin_addr.s_addr ==
         reinterpret_cast<const sockaddr_in*>(&b.storage)->sin_addr.s_addr;
}

SocketAddress local_address(int fd) {
  SocketAddress address;
  if (::getsockname(fd, address.get(), &address.size) != 0) address.storage.ss_family = AF_UNSPEC;
  return address;
}

void set_option(int fd, int level, int name, int value) {
  // A kernel without one of them detects a pulled cable later, by the link's heartbeat: not a
  // reason to fail.
  (void)::setsockopt(fd, level, name, &value, sizeof(value));
}

/// A pulled cable is seen in 4.7 s instead of never; accepted sockets inherit these from their
/// listener.
void set_liveness_options(int fd) {
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 1);
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 1);
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
  set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 4000);
}

/// A classic BPF program for a TCP socket that keeps segments from `sources` and drops all others;
/// the kernel runs it on every segment, the SYN first, and accepted sockets inherit it. The data it
/// sees starts at the TCP header.
std::vector<sock_filter> filter_program(const std::vector<Endpoint>& sources) {
  std::vector<sock_filter> program;
  const auto load_word = [&](std::uint32_t offset) {
    program.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset));
  };
  for (const Endpoint& source : sources) {
    const SocketAddress address = to_socket_address(source);
    const bool is_v6 = address.family() == AF_INET6;
    // The IP header's source address, at byte 8 (v6) or 12 (v4).
    const auto* words =
        is_v6 ? reinterpret_cast<const sockaddr_in6*>(&address.storage)->sin6_addr.s6_addr32
              : &reinterpret_cast<const sockaddr_in*>(&address.storage)->sin_addr.s_addr;
    const int num_words = is_v6 ? 4 : 1;
    const auto skip_after = [&](int word) {
      return static_cast<std::uint8_t>(2 * (num_words - 1 - word) + 1);
    };
    program.push_back(BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 0));  // TCP source port
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, source.port, 0, skip_after(-1)));
    for (int word = 0; word < num_words; ++word) {
      load_word(static_cast<std::uint32_t>(SKF_NET_OFF) + (is_v6 ? 8u : 12u) +
                4u * static_cast<std::uint32_t>(word));
      program.push_back(
          BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ntohl(words[word]), 0, skip_after(word)));
    }
    program.push_back(BPF_STMT(BPF_RET | BPF_K, 0xffffffff));
  }
  program.push_back(BPF_STMT(BPF_RET | BPF_K, 0));
  return program;
}

/// 0, or the errno.
int attach_filter(int fd, const std::vector<Endpoint>& sources) {
  std::vector<sock_filter> program = filter_program(sources);
  const sock_fprog described{static_cast<unsigned short>(program.size()), program.data()};
  return ::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &described, sizeof(described)) == 0 ? 0
                                                                                            : errno;
}

/// Waits until a connect that is under way has ended; 0 or its errno.
int wait_for_connect(int fd, TimePoint deadline) {
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
                          deadline - std::chrono::steady_clock::now())
                          .count();
    if (left <= 0) return ETIMEDOUT;
    pollfd entry{fd, POLLOUT, 0};
    const int ready = ::poll(&entry, 1, static_cast<int>(std::min<long>(left, 1000)));
    if (ready < 0 && errno != EINTR) return errno;
    if (ready <= 0) continue;
    int error = 0;
    socklen_t size = sizeof(error);
    ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    return error;
  }
}

/// Every descriptor of this process.
std::vector<int> open_descriptors() {
  std::vector<int> descriptors;
  DIR* folder = ::opendir("/proc/self/fd");
  if (folder == nullptr) return descriptors;
  while (const dirent* entry = ::readdir(folder)) {
    const int fd = std::atoi(entry->d_name);
    if (entry->d_name[0] != '.' && fd != ::dirfd(folder)) descriptors.push_back(fd);
  }
  ::closedir(folder);
  return descriptors;
}

}  // namespace

class MeshGate::Impl {
 public:
  Impl(const std::string& address, int size) {
    const SocketAddress any_port = to_socket_address({address, 0});
    for (int peer = 0; peer < size; ++peer) {
      UniqueFd fd(::socket(any_port.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      if (!fd || ::bind(fd.get(), any_port.get(), any_port.size) != 0) {
        throw Error(Code::kIo, "cannot open a socket on " + address + ": " + errno_text(errno) +
                                   "; --address must name an address of this machine");
      }
      set_liveness_options(fd.get());
      outgoing_.push_back({std::move(fd), {}, false});
    }
  }

  /// Gloo is about to listen on `fd`. 0, or the errno that makes its listen fail.
  int on_listen(int fd) {
    if (const int error = attach_filter(fd, {}); error != 0) return error;
    set_liveness_options(fd);
    ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    listener_ = fd;
    return 0;
  }

  /// Gloo is about to connect `fd` to `listener`: gives it the connection that stands already.
  int on_connect(int fd, const SocketAddress& listener) {
    for (Outgoing& outgoing : outgoing_) {
      if (outgoing.is_taken || !is_same(outgoing.listener, listener)) continue;
      if (::dup3(outgoing.fd.get(), fd, O_CLOEXEC) < 0) return errno;
      outgoing.is_taken = true;
      return 0;
    }
    return ECONNREFUSED;
  }

  std::uint16_t listen_port() const {
    return listener_ < 0 ? 0 : port_of(local_address(listener_));
  }
  std::uint16_t source_port(int peer) const {
    return port_of(local_address(outgoing_.at(static_cast<std::size_t>(peer)).fd.get()));
  }

  void admit(const std::vector<Endpoint>& sources) {
    if (listener_ < 0) throw Error(Code::kInternal, "mesh gate: Gloo has opened no listener");
    if (const int error = attach_filter(listener_, sources); error != 0) {
      throw Error(Code::kIo, "cannot filter Gloo's port: " + errno_text(error));
    }
  }

  void connect(int peer, const Endpoint& listener, TimePoint deadline) {
    Outgoing& outgoing = outgoing_.at(static_cast<std::size_t>(peer));
    outgoing.listener = to_socket_address(listener);
    int error = 0;
    if (::connect(outgoing.fd.get(), outgoing.listener.get(), outgoing.listener.size) != 0) {
      error = errno == EINPROGRESS ? wait_for_connect(outgoing.fd.get(), deadline) : errno;
    }
    if (error != 0) throw Error(Code::kUnavailable, errno_text(error));
  }

  void seal() {
    admit({});
    const SocketAddress here = local_address(listener_);
    std::lock_guard lock(mutex_);
    for (Outgoing& outgoing : outgoing_) {
      if (outgoing.is_taken) connections_.push_back(std::move(outgoing.fd));
    }
    outgoing_.clear();
    for (const int fd : open_descriptors()) {
      if (fd == listener_ || !is_same(local_address(fd), here)) continue;
      // A second handle: Gloo may close its own at any moment, and the number would then mean
      // another file.
      connections_.emplace_back(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    }
    // Gloo closes its listener when the generation ends; by then its number may be anyone's.
    listener_ = -1;
  }

  void shut_down() {
    std::lock_guard lock(mutex_);
    for (const UniqueFd& connection : connections_) ::shutdown(connection.get(), SHUT_RDWR);
  }

 private:
  struct Outgoing {
    UniqueFd fd;  // bound, then connected to `listener`
    SocketAddress listener;
    bool is_taken = false;  // Gloo has it
  };
  std::vector<Outgoing> outgoing_;  // by rank
  int listener_ = -1;               // Gloo's own
  std::mutex mutex_;
  std::vector<UniqueFd> connections_;  // guarded by mutex_
};

MeshGate::MeshGate(const std::string& address, int size)
    : impl_(std::make_unique<Impl>(address, size)) {}
MeshGate::~MeshGate() = default;
bool MeshGate::is_supported() { return true; }
MeshGate::Scope::Scope(MeshGate& gate) { gate_of_thread = gate.impl_.get(); }
MeshGate::Scope::~Scope() { gate_of_thread = nullptr; }
std::uint16_t MeshGate::listen_port() const { return impl_->listen_port(); }
std::uint16_t MeshGate::source_port(int peer) const { return impl_->source_port(peer); }
void MeshGate::admit(const std::vector<Endpoint>& sources) { impl_->admit(sources); }
void MeshGate::connect(int peer, const Endpoint& listener, TimePoint deadline) {
  impl_->connect(peer, listener, deadline);
}
void MeshGate::seal() { impl_->seal(); }
void MeshGate::shut_down() { impl_->shut_down(); }

}  // namespace tandem::comm

extern "C" {

/// Replaces libc's for the whole program, libtorch included.
int listen(int fd, int backlog) noexcept {
  using tandem::comm::gate_of_thread;
  if (gate_of_thread != nullptr) {
    if (const int error = gate_of_thread->on_listen(fd); error != 0) {
      errno = error;
      return -1;
    }
  }
  return static_cast<int>(::syscall(SYS_listen, fd, backlog));
}

/// As `listen`.
int connect(int fd, const sockaddr* address, socklen_t size) {
  using tandem::comm::gate_of_thread;
  if (gate_of_thread == nullptr) return static_cast<int>(::syscall(SYS_connect, fd, address, size));
  tandem::comm::SocketAddress listener;
  std::memcpy(&listener.storage, address, std::min<std::size_t>(size, sizeof(listener.storage)));
  const int error = gate_of_thread->on_connect(fd, listener);
  if (error == 0) return 0;
  errno = error;
  return -1;
}

}  // extern "C"
