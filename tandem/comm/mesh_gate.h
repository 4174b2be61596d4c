// Decides who may connect to the listener that Gloo opens, and makes this rank's own connections to
// its peers' listeners before Gloo asks for them. Used by gloo_comm while a generation forms;
// docs/decisions/gloo-listener.md tells why.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace tandem::comm {

/// One end of a TCP connection.
struct Endpoint {
  std::string address;  ///< an IP
  std::uint16_t port = 0;
  bool operator==(const Endpoint&) const = default;
};
/// "192.168.1.7:40213", "[fd00::1]:40213"
std::string to_string(const Endpoint& endpoint);

/// The sockets of one rank in one generation. Made and used by one thread; `shut_down` by any.
class MeshGate {
 public:
  class Impl;
  /// Reserves a source port on `address` for each rank below `size`. Throws Error{kIo}.
  MeshGate(const std::string& address, int size);
  ~MeshGate();
  MeshGate(const MeshGate&) = delete;
  MeshGate& operator=(const MeshGate&) = delete;

  /// True where the gate can hold strangers off (Linux); elsewhere every function below does
  /// nothing and Gloo connects for itself.
  static bool is_supported();

  /// While it lives, the sockets that Gloo opens on this thread pass through `gate`: a listener
  /// admits nobody from before its first packet, and a connect gets the connection that `connect`
  /// made.
  class Scope {
   public:
    explicit Scope(MeshGate& gate);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
  };

  /// The port of the listener that Gloo opened under a Scope; 0 before that.
  std::uint16_t listen_port() const;
  /// The port from which this rank will connect to `peer`; bound until then, so that no other
  /// process can have it.
  std::uint16_t source_port(int peer) const;
  /// From now on connections from exactly these endpoints reach Gloo's listener.
  void admit(const std::vector<Endpoint>& sources);
  /// Connects to a peer's listener from source_port(peer). Throws Error{kUnavailable} with the
  /// cause alone: "connection refused".
  void connect(int peer, const Endpoint& listener, std::chrono::steady_clock::time_point deadline);
  /// The mesh stands: from now on nobody can connect. Keeps a second handle of every connection for
  /// `shut_down`.
  void seal();
  /// Shuts every connection of the sealed mesh, so that Gloo's pending operations fail.
  void shut_down();

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace tandem::comm
