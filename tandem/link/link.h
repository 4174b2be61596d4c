// Authenticated, sealed frames between head, agents and stages over TCP or a unix socket. Blocking calls for threads:
// one reader, any number of senders.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tandem/base/bytes.h"
#include "tandem/link/addresses.h"

namespace tandem::link {

inline constexpr std::uint16_t kDefaultPort = 12355;
inline constexpr std::uint16_t kProtocolVersion = 1;

/// What the two ends are to each other; part of the proof, so that no end can be replayed as another.
enum class Role : std::uint8_t { kHead, kAgent, kStage, kWeights, kDoctor };

/// ≥ 128 bits, shared by the machines of a cluster.
struct Secret {
  Bytes bytes;
};

/// What each end says of itself in its hello. `mismatch` compares the two after the proof.
struct Identity {
  Role role = Role::kHead;
  std::string tandem_version, torch_version, os, arch;   ///< of this build
  std::string name;                                      ///< the machine's, for people: "mini2"
};
Identity this_identity(Role role);

/// One sentence that names both values when two builds cannot work together ("this machine has tandem 0.1.0, mini2 has
/// 0.2.0: …", "… a Mac beside a Linux rank: PyTorch's Gloo has no common transport; the head may run anywhere"), else "".
/// A head without a rank of its own may differ in os.
std::string mismatch(const Identity& a, const Identity& b, bool both_have_ranks);

struct Frame {
  std::uint8_t type = 0;
  Bytes payload;
};
/// The largest payload that a frame of this type may have; a longer one ends the link before it is read.
using FrameLimit = std::function<std::size_t(std::uint8_t type)>;

/// One end of an established link.
class Link {
 public:
  class Impl;
  explicit Link(std::unique_ptr<Impl> impl);
  Link(Link&&) noexcept;
  Link& operator=(Link&&) noexcept;
  ~Link();

  const Identity& peer() const;
  std::string peer_address() const;    ///< "192.168.1.7", "fe80::1%en0"; "unix" for a unix socket
  std::string local_address() const;   ///< the local end of this connection: what --address defaults to

  /// Seals and sends; safe from any thread. Throws Error{kUnavailable} once the link is down, or when the peer has taken no
  /// byte for `send_timeout` (15 s).
  void send(std::uint8_t type, std::span<const std::uint8_t> payload);
  /// As above for a payload in pieces, which are sealed one after the other without being joined first.
  void send(std::uint8_t type, std::initializer_list<std::span<const std::uint8_t>> parts);
  /// Sends if that needs no waiting; false when another thread is sending or the peer's window is full. For heartbeats,
  /// which must not hang with whoever else sends; `payload` is small.
  bool try_send(std::uint8_t type, std::span<const std::uint8_t> payload);

  /// The next frame; nullopt at the deadline (the link stays usable). Throws Error{kUnavailable} when the peer closed or reset,
  /// Error{kCorrupt} when a frame does not open or is longer than its type allows. One thread.
  std::optional<Frame> receive(std::chrono::steady_clock::time_point deadline);
  /// As above into a frame whose memory is used again; false at the deadline.
  bool receive(Frame& frame, std::chrono::steady_clock::time_point deadline);

  /// Wakes a blocked receive and every sender with Error{kUnavailable}; safe from any thread.
  void close();
  /// Closes so that the peer surely reads the frames sent last (a refusal, an end): drops what still comes until the peer
  /// has closed too or `deadline`. On the receiving thread.
  void close_gently(std::chrono::steady_clock::time_point deadline);

 private:
  std::unique_ptr<Impl> impl_;
};

struct ConnectOptions {
  std::chrono::milliseconds connect_timeout{3000};   ///< for each address that the name gives
  std::chrono::milliseconds handshake_timeout{2000};
  std::chrono::milliseconds send_timeout{15000};
  FrameLimit frame_limit;              ///< unset: 64 KiB for every type
};

/// Resolves `host` (name, .local, IPv4, IPv6 with or without brackets and scope; or unix:/path), tries every result, proves
/// the secret.
/// Throws Error: kUnavailable (names every address tried and each one's cause: refused, timed out, no route), kUnauthenticated
/// ("the secrets differ"), kMismatch (other protocol: both versions).
Link connect(const std::string& host, std::uint16_t port, const Secret& secret, const Identity& self,
             const ConnectOptions& options);

struct ListenOptions {
  std::chrono::milliseconds handshake_timeout{2000};
  std::chrono::milliseconds send_timeout{15000};
  /// Unfinished handshakes at a time. One more evicts the oldest that has not said a proper hello yet (else the oldest):
  /// strangers delay nobody.
  std::size_t max_half_open = 64;
  FrameLimit frame_limit;              ///< unset: 64 KiB for every type
};

/// Accepts links on one address. Handshakes run apart from each other; strangers cost a bounded number of descriptors, and
/// no log line more often than one a second. Wrong proofs in a row from one address are answered ever later (at most
/// 400 ms), which holds up nobody else behind it.
class Listener {
 public:
  /// `address`: an IP, a name, or unix:/path (mode 0600; a socket file that nobody listens on is replaced). Port 0 takes a
  /// free one. Throws Error{kIo} that names address and port.
  Listener(const std::string& address, std::uint16_t port, Secret secret, Identity self, ListenOptions options);
  ~Listener();
  std::uint16_t port() const;
  /// The next link whose peer proved the secret; nullopt at the deadline or after close().
  std::optional<Link> accept(std::chrono::steady_clock::time_point deadline);
  /// Refusals to show to people: "wrong secret from 192.168.1.9", newest last, at most 16.
  std::vector<std::string> recent_refusals() const;
  void set_secret(Secret secret);      ///< rotation without restart: for links to come
  void close();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tandem::link
