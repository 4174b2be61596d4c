// Tensors between the ranks of one generation. Names its transport; a group of one rank is a no-op.
#pragma once

#include <ATen/core/Tensor.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tandem/comm/key_value_store.h"

namespace tandem::comm {

/// An operation under way; it owns its host tensor. Never cancelled: only a generation's end cuts
/// it short.
class Work {
 public:
  virtual ~Work() = default;
  /// Blocks. Throws Error{kUnavailable, "rank k lost: …"}.
  virtual void wait() = 0;
};

/// Point-to-point between ranks 0 … size()-1. Tensors are contiguous and on the host: the caller
/// copies device tensors. `send`, `receive` and `abandon` are safe from any thread.
class Comm {
 public:
  virtual ~Comm() = default;
  virtual std::string_view transport() const = 0;  ///< "gloo-tcp", "gloo-uv", "memory", "none"
  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// Every message of a pair has its own tag, below 2^31: both ends derive it from the plan's
  /// number. A send completes when the peer has posted its receive and the bytes have left.
  virtual std::unique_ptr<Work> send(const at::Tensor& tensor, int to, std::uint32_t tag) = 0;
  /// Receives exactly tensor.nbytes() into `tensor`; post early, wait late.
  virtual std::unique_ptr<Work> receive(at::Tensor& tensor, int from, std::uint32_t tag) = 0;
  /// Sum over all ranks, in place; f32, contiguous. By send and receive, never a Gloo collective.
  /// Every rank gets the same bits.
  virtual void all_reduce(at::Tensor& tensor, std::uint32_t tag) = 0;
  /// Makes every pending and later operation fail with Error{kCancelled} within milliseconds; safe
  /// from any thread, also while another thread waits. The end of a generation, and the only way
  /// out of a wait for a peer that is silent.
  virtual void abandon() = 0;
};

struct GlooOptions {
  std::string address;  ///< the IP to listen on and to give to peers
  int rank = 0, size = 1;
  std::uint64_t generation = 0;  ///< prefix of every key
  std::chrono::milliseconds form_timeout{15'000};
  std::vector<std::string>
      peer_addresses;  ///< by rank: what each peer's blob must name, else the generation is refused
  std::vector<std::string> peer_names;  ///< by rank, for messages: "mini2"; may be empty
};

/// Forms the full mesh and proves every pair with a message each way. Nobody but the peers of this
/// generation can connect to Gloo's listener, at no time (docs/decisions/gloo-listener.md). Throws
/// Error{kUnavailable} that names both ends and the port of the pair that failed, or the rank that
/// did not come.
std::unique_ptr<Comm> make_gloo(std::shared_ptr<KeyValueStore> store, const GlooOptions& options);

/// Which of Gloo's transports this build has: "gloo-tcp", "gloo-uv". The two cannot meet.
std::string_view gloo_transport();

/// One rank.
std::unique_ptr<Comm> make_single();
/// `size` ranks as threads of one process, for tests; element r belongs to rank r. As Gloo, except
/// that a message of another size than its receive is an Error{kInternal} at both ends.
std::vector<std::unique_ptr<Comm>> make_in_memory(int size);

}  // namespace tandem::comm
