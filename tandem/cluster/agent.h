// One machine's part in a cluster: joins the head, starts and watches the stages that the head asks for, fetches their
// weights, and goes back to joining whenever it loses the head. `tandem join` runs one; the head runs one for its own ranks.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "tandem/link/link.h"
#include "tandem/link/messages.h"

namespace tandem::cluster {

struct AgentOptions {
  std::string host;                     ///< of the head; "unix:PATH" for the head's own agent
  std::uint16_t port = link::kDefaultPort;
  link::Secret secret;
  link::AgentHello hello;               ///< address and interface "": the local end of the link
  bool is_local = false;                ///< the head's own: its stages open the model folder themselves
  std::filesystem::path stage_program;
  std::filesystem::path cache_folder;   ///< slices and remembered hashes
  std::uint64_t cache_bytes = 0;        ///< bound of the slice cache
  std::filesystem::path log_folder;     ///< "": no files; else worker_RANK_TIME.log for each stage
  std::function<std::optional<std::filesystem::path>(const std::string& model)> find_model;
};

class Agent {
 public:
  explicit Agent(AgentOptions options);
  ~Agent();
  /// Joins, serves and joins again until `stop`. All its processes have ended when it returns. Throws Error when trying again
  /// cannot help: kUnauthenticated (wrong secret), kMismatch (refused by the head, with its sentence).
  void run();
  /// From any thread, also a signal's: ends `run` soon.
  void stop();

 private:
  class Session;
  bool pause(std::chrono::milliseconds time) const;

  AgentOptions options_;
  std::atomic<bool> stopping_ = false;
};

}  // namespace tandem::cluster
