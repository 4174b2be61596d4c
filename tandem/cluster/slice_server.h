// The head's side of giving workers their weights: hashes a share once, then sends the pieces that a worker lacks.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "tandem/checkpoint/checkpoint.h"
#include "tandem/checkpoint/slice_reader.h"
#include "tandem/link/link.h"
#include "tandem/link/messages.h"

namespace tandem::cluster {

/// Safe from any thread; every worker is served on a thread of its own, so all receive at once.
class SliceServer {
 public:
  /// `model` is the name under which a worker may have the model in its own Hub cache; `memory` keeps hashes between starts.
  SliceServer(checkpoint::Checkpoint checkpoint, std::string model, std::filesystem::path memory);

  /// Hashes the share (about 1.5 GB/s, nothing when remembered) and remembers what `stage` may ask for.
  link::PrepareSlice prepare(const std::string& stage, const checkpoint::Share& share);
  /// Answers one weights connection until its pieces are sent. Throws Error when the link breaks or asks for what was not
  /// prepared.
  void serve(link::Link& link);
  void forget(const std::string& stage);

 private:
  const checkpoint::Checkpoint checkpoint_;
  const std::string model_;
  const std::filesystem::path memory_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const checkpoint::SliceReader>> readers_;  ///< by stage
};

}  // namespace tandem::cluster
