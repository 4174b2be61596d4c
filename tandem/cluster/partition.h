// Which rank holds which layers: every slice must fit its machine first, then the time of a step is balanced. Pure; called
// by the coordinator before a byte of weights moves.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tandem/checkpoint/checkpoint.h"

namespace tandem::cluster {

/// What the planner knows of a model; bytes are those of the dtype it will be served in.
struct ModelSizes {
  std::vector<std::uint64_t> layer_bytes;  ///< [L]
  std::uint64_t embedding_bytes = 0, head_bytes = 0;
  std::uint64_t kv_bytes_per_token_layer = 0;
  std::uint64_t activation_bytes = 0;      ///< a step's working memory on one rank
  std::uint64_t logits_bytes = 0;          ///< more of it on the last rank
};
/// `bytes_per_weight` 0: as stored.
ModelSizes model_sizes(const checkpoint::Checkpoint& checkpoint, std::size_t bytes_per_weight,
                       std::size_t kv_value_bytes, std::int64_t max_step_tokens);

/// A rank's place, in rank order.
struct RankMachine {
  std::string machine;              ///< for people
  std::string machine_id;           ///< ranks with the same one share its budget; names may be equal by chance
  std::uint64_t budget_bytes = 0;   ///< of the whole machine
  double read_gb_s = 1;             ///< of this rank's threads
};

struct RankPlan {
  std::string machine;
  checkpoint::Share share;
  std::uint64_t weight_bytes = 0, kv_bytes = 0, budget_bytes = 0;
  double step_ms = 0;               ///< predicted for one decoded token: weight bytes over read bandwidth
};

struct PartitionRequest {
  ModelSizes sizes;
  std::vector<RankMachine> ranks;
  std::int64_t kv_tokens = 0;       ///< KV that every rank must hold at least
  std::vector<std::int32_t> split;  ///< --split: layers of each rank; empty: automatic
};

/// Libtorch, its thread pools and Gloo in one stage process: 240 MiB resident after a step of a tiny model, and a margin.
inline constexpr std::uint64_t kStageOverheadBytes = 320u << 20;

/// Throws Error{kDoesNotFit} with the numbers and what would fit, Error{kInvalidArgument} on a split that is not of this model
/// or more ranks than layers.
std::vector<RankPlan> partition(const PartitionRequest& request);

/// The table printed at start: rank, machine, layers, weights, KV, budget.
std::string to_table(const std::vector<RankPlan>& plan);

}  // namespace tandem::cluster
