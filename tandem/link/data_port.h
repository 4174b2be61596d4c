// A plain TCP connection on a free port, as Gloo makes them between ranks: tried each way by `tandem doctor`, because a
// firewall that lets the link's port through may still drop these.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tandem/base/unique_fd.h"
#include "tandem/link/socket.h"

namespace tandem::link {

/// Listens on one address and a port that the system chooses, until destroyed.
class DataPort {
 public:
  /// Throws Error{kIo} when this machine cannot listen on `address`, an IP.
  explicit DataPort(const std::string& address);
  std::uint16_t port() const { return port_; }
  /// Waits for a connection whose first bytes are `token` and sends them back; false when none came before the deadline.
  /// Others are dropped after a second at the latest.
  bool meet(std::string_view token, TimePoint deadline);

 private:
  UniqueFd socket_;
  std::uint16_t port_ = 0;
};

/// The other end: connects, sends `token`, expects it back. "" when it came; else why not, as a clause.
std::string reach_data_port(const std::string& address, std::uint16_t port, std::string_view token, TimePoint deadline);

/// Whether a server could listen on this address and port now.
bool is_port_free(const std::string& address, std::uint16_t port);

}  // namespace tandem::link
