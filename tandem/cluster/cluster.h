// The head's end of a cluster: accepts agents, stages and weights connections, feeds the coordinator, and is the StepRunner
// that the engine runs on.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tandem/base/error.h"
#include "tandem/base/json.h"
#include "tandem/checkpoint/checkpoint.h"
#include "tandem/cluster/coordinator.h"
#include "tandem/link/link.h"
#include "tandem/step/step_runner.h"

namespace tandem::cluster {

struct ClusterOptions {
  CoordinatorOptions coordinator;
  link::Secret secret;
  std::string model;                        ///< its name, for people
  std::string hub_name;                     ///< under which workers may have it in their own Hub caches; "": under none
  std::vector<std::string> listen_addresses;///< where agents reach the head; empty: nowhere (all ranks are here)
  std::uint16_t port = link::kDefaultPort;  ///< 0: any free one
  link::AgentHello local_agent;             ///< how this machine introduces itself
  std::filesystem::path stage_program;
  std::filesystem::path cache_folder;
  std::filesystem::path log_folder;         ///< worker_RANK_*.log of the local stages; "": none
};

/// Safe from any thread, except that `submit` and `wait` are the engine's.
class Cluster : public step::StepRunner {
 public:
  Cluster(ClusterOptions options, checkpoint::Checkpoint checkpoint);
  /// Ends every local process; agents elsewhere go back to joining.
  ~Cluster() override;

  step::RunnerInfo info() const override;
  int depth() const override { return 1; }
  void submit(const step::StepPlan& plan) override;
  std::optional<step::StepOutcome> wait() override;
  void interrupt() override;

  /// The port that agents reach; 0 when none listens.
  std::uint16_t port() const;
  void set_secret(link::Secret secret);
  /// Set when serving can never start with these options.
  std::optional<Error> fatal() const;
  /// GET /cluster: ranks, machines, addresses, memory, round trips, states, last errors.
  Json status() const;
  /// Blocks until ready (true), fatal or the deadline (false).
  bool wait_until_ready(std::chrono::steady_clock::time_point deadline) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tandem::cluster
