// Tensors between the ranks of one generation. Names its transport; a group of one rank is a no-op.
#pragma once

#include <ATen/core/Tensor.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tandem::comm {

/// An operation under way; it owns its host tensor. Never cancelled: only a generation's end cuts it short.
class Work {
 public:
  virtual ~Work() = default;
  /// Blocks. Throws Error{kUnavailable, "rank k lost: …"}.
  virtual void wait() = 0;
};

/// Point-to-point between ranks 0 … size()-1. Tensors are contiguous and on the host: the caller copies device tensors.
class Comm {
 public:
  virtual ~Comm() = default;
  virtual std::string_view transport() const = 0;   ///< "gloo-tcp", "gloo-uv", "memory", "none"
  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// Every message of a pair has its own tag: both ends derive it from the plan's number.
  virtual std::unique_ptr<Work> send(const at::Tensor& tensor, int to, std::uint32_t tag) = 0;
  /// Receives exactly tensor.nbytes() into `tensor`; post early, wait late.
  virtual std::unique_ptr<Work> receive(at::Tensor& tensor, int from, std::uint32_t tag) = 0;
  /// Sum over all ranks, in place; f32. By send and receive, never a Gloo collective.
  virtual void all_reduce(at::Tensor& tensor, std::uint32_t tag) = 0;
};

/// What Gloo's rendezvous needs, over the authenticated link: the stage implements it with messages to the head.
class KeyValueStore {
 public:
  virtual ~KeyValueStore() = default;
  virtual void set(const std::string& key, const std::vector<std::uint8_t>& value) = 0;
  /// Waits for the key; throws Error{kDeadlineExceeded} naming it.
  virtual std::vector<std::uint8_t> get(const std::string& key, std::chrono::milliseconds timeout) = 0;
};

struct GlooOptions {
  std::string address;               ///< the IP to listen on and to give to peers
  int rank = 0, size = 1;
  std::uint64_t generation = 0;      ///< prefix of every key
  std::chrono::milliseconds form_timeout{15'000};
  std::vector<std::string> peer_addresses;  ///< by rank: what each peer's blob must name, else the generation is refused
};

/// Forms the full mesh, proves every pair with a message each way, then shuts Gloo's listener to strangers (DESIGN §1,
/// reliability.md §2.5). Throws Error{kUnavailable} that names both ends and the port of the pair that failed.
std::unique_ptr<Comm> make_gloo(std::shared_ptr<KeyValueStore> store, const GlooOptions& options);

/// One rank.
std::unique_ptr<Comm> make_single();
/// `size` ranks as threads of one process, for tests; element r belongs to rank r.
std::vector<std::unique_ptr<Comm>> make_in_memory(int size);

}  // namespace tandem::comm
