// What Gloo's rendezvous needs, over the authenticated link: the stage implements it with messages
// to the head. Torch-free.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace tandem::comm {

/// Keys that are set once and values to wait for; safe from any thread.
class KeyValueStore {
 public:
  virtual ~KeyValueStore() = default;
  virtual void set(const std::string& key, const std::vector<std::uint8_t>& value) = 0;
  /// Waits for the key; throws Error{kDeadlineExceeded} naming it, Error{kCancelled} when the
  /// generation ends meanwhile.
  virtual std::vector<std::uint8_t> get(const std::string& key,
                                        std::chrono::milliseconds timeout) = 0;
};

}  // namespace tandem::comm
