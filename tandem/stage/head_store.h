// The rendezvous store of a generation: keys and values held by the head, reached over the stage's
// link.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>

#include "tandem/comm/key_value_store.h"
#include "tandem/link/messages.h"

namespace tandem::stage {

/// Answers `get` with what the reader thread delivers. Safe from any thread.
class HeadStore final : public comm::KeyValueStore {
 public:
  /// Sends one frame to the head.
  using Send = std::function<void(link::Message type, const Bytes& payload)>;
  HeadStore(std::uint64_t generation, Send send)
      : generation_(generation), send_(std::move(send)) {}

  void set(const std::string& key, const std::vector<std::uint8_t>& value) override;
  std::vector<std::uint8_t> get(const std::string& key, std::chrono::milliseconds timeout) override;

  /// A kStoreValue arrived; those of other generations are dropped.
  void deliver(link::StoreEntry entry);
  /// The generation is over: every present and later `get` throws Error{kCancelled}.
  void cancel();

 private:
  const std::uint64_t generation_;
  const Send send_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Bytes> values_;
  bool is_cancelled_ = false;
};

}  // namespace tandem::stage
