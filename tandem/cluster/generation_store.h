// The values that ranks exchange to form a generation's mesh: Gloo's rendezvous, held by the head. Bounded; old generations
// are forgotten.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tandem/link/messages.h"

namespace tandem::cluster {

/// Keys live for one generation. Safe from any thread.
class GenerationStore {
 public:
  /// Forgets everything of earlier generations; the same generation again changes nothing.
  void begin(std::uint64_t generation);
  /// Stores a value; returns (stage, kStoreValue payload) for everyone who waits for it. Throws Error{kCorrupt} past 4,096 keys.
  std::vector<std::pair<std::string, Bytes>> set(link::StoreEntry entry);
  /// The kStoreValue payload, or nullopt: the stage is remembered and gets it once it is set.
  std::optional<Bytes> get(const link::StoreGet& wanted, const std::string& stage);

 private:
  std::mutex mutex_;
  std::uint64_t generation_ = 0;
  std::map<std::string, Bytes> values_;                    ///< key → encoded StoreEntry
  std::multimap<std::string, std::string> waiting_;        ///< key → stage
};

}  // namespace tandem::cluster
