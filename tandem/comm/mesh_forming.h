// What the ranks of a generation tell each other through the store before Gloo connects: where each
// listens, from which ports it will come, and that every pair could connect. Torch-free; called by
// gloo_comm.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tandem/base/bytes.h"
#include "tandem/base/hash.h"
#include "tandem/comm/key_value_store.h"
#include "tandem/comm/mesh_gate.h"

namespace tandem::comm {

/// How one rank introduces itself to the others of a generation.
struct RankHello {
  Endpoint listener;  ///< Gloo's; port 0 where Gloo keeps it to itself (macOS)
  std::vector<std::uint16_t> source_ports;  ///< by rank: from where it would connect to each
  std::array<std::uint8_t, 32> nonce{};     ///< key of the proofs sent to it

  bool operator==(const RankHello&) const = default;
};
Bytes encode(const RankHello& hello);
/// Throws Error{kCorrupt} unless the bytes are one hello with `size` source ports.
RankHello decode_hello(std::span<const std::uint8_t> bytes, int size);

/// Who forms: the part of GlooOptions that this file needs, with a deadline for all of it.
class MeshForming {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  struct Ranks {
    int rank = 0, size = 1;
    std::uint64_t generation = 0;
    std::vector<std::string> addresses;  ///< by rank; empty: not checked
    std::vector<std::string> names;      ///< by rank; may be empty
  };
  MeshForming(KeyValueStore& store, Ranks ranks, TimePoint deadline);

  /// Tells the others `own` and returns everyone's. Throws Error{kUnavailable} naming a rank that
  /// did not come in time or comes from another address than expected.
  std::vector<RankHello> exchange(const RankHello& own);
  /// Opens the gate to those who will connect here, makes this rank's own connections, and waits
  /// until every rank has done so. Throws Error{kUnavailable} that names both ends and the port of
  /// the pair that failed, on every rank.
  void connect_pairs(MeshGate& gate, const std::vector<RankHello>& hellos);
  /// Tells the others that this rank has given up.
  void report_failure(const std::string& reason) noexcept;

  /// "rank 1 (mini2, 192.168.1.7)"
  std::string describe(int rank) const;
  /// The 32 bytes that `from` sends to `to` as the first message of their connection.
  Digest proof(const std::vector<RankHello>& hellos, int from, int to) const;
  std::chrono::milliseconds time_left() const;

 private:
  std::string key(std::string_view what, int rank) const;
  Bytes wait_for(std::string_view what, int rank);
  /// Waits until `rank` has taken a step; throws its reason when it has failed instead.
  void wait_for_step(std::string_view step, int rank);
  void connect_to(MeshGate& gate, int peer, const std::vector<RankHello>& hellos);

  KeyValueStore& store_;
  const Ranks ranks_;
  const TimePoint deadline_;
};

/// True when Gloo, given these two listeners, connects from `self` to `peer` and not the other way.
bool connects_to(const Endpoint& self, const Endpoint& peer);

/// Checks one rank's rendezvous blob before Gloo reads it, for Gloo trusts its lengths: u64 length
/// and host name, u64 length and sockaddr_storage with a sequence number, then one i64 a rank.
/// Throws Error{kCorrupt} that says what is wrong, also when the address is not `listener`.
void check_gloo_blob(std::span<const std::uint8_t> blob, int size, const Endpoint& listener);

}  // namespace tandem::comm
