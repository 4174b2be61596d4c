// GET /cluster as JSON: what `tandem status` prints and /health takes its reasons from.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "tandem/base/json.h"
#include "tandem/cluster/coordinator.h"

namespace tandem::cluster {

struct StageLink {
  double round_trip_ms = -1;   ///< -1: not measured yet
  link::StageCounters counters;
  std::uint64_t beats = 0;     ///< heartbeats received
};

struct StatusInput {
  const Coordinator& coordinator;
  std::string model;
  std::map<std::string, StageLink> stages = {};          ///< by stage id
  std::map<AgentId, double> agent_round_trip_ms = {};
  std::vector<std::string> refusals = {};
};

/// {"state", "reason", "generation", "model", "kv_tokens", "max_model_len", "ranks": […], "machines": […], "refused": […]}
Json make_status(const StatusInput& input);

}  // namespace tandem::cluster
