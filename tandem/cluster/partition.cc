#include "tandem/cluster/partition.h"

#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <string>

#include "tandem/base/error.h"
#include "tandem/base/strings.h"

namespace tandem::cluster {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

// Sums over layer ranges and over what a rank holds beside them.
class Costs {
 public:
  explicit Costs(const PartitionRequest& request) : request_(request), prefix_(request.sizes.layer_bytes.size() + 1, 0) {
    std::partial_sum(request.sizes.layer_bytes.begin(), request.sizes.layer_bytes.end(), prefix_.begin() + 1);
    for (const RankMachine& rank : request.ranks) ++ranks_on_[rank.machine_id];
  }

  std::uint64_t weights(std::size_t rank, std::size_t first, std::size_t end) const {
    std::uint64_t bytes = prefix_[end] - prefix_[first];
    if (rank == 0) bytes += request_.sizes.embedding_bytes;
    if (is_last(rank)) bytes += request_.sizes.head_bytes;
    return bytes;
  }
  std::uint64_t kv(std::size_t first, std::size_t end) const {
    return static_cast<std::uint64_t>(request_.kv_tokens) * request_.sizes.kv_bytes_per_token_layer * (end - first);
  }
  std::uint64_t needed(std::size_t rank, std::size_t first, std::size_t end) const {
    return weights(rank, first, end) + kv(first, end) + request_.sizes.activation_bytes +
           (is_last(rank) ? request_.sizes.logits_bytes : 0) + kStageOverheadBytes;
  }
  // Ranks on one machine share its budget evenly.
  std::uint64_t budget(std::size_t rank) const {
    const RankMachine& machine = request_.ranks[rank];
    return machine.budget_bytes / static_cast<std::uint64_t>(ranks_on_.at(machine.machine_id));
  }
  double step_ms(std::size_t rank, std::size_t first, std::size_t end) const {
    // The embedding is read a row at a time: it costs memory, not time.
    const std::uint64_t read = weights(rank, first, end) - (rank == 0 ? request_.sizes.embedding_bytes : 0);
    return static_cast<double>(read) / (std::max(request_.ranks[rank].read_gb_s, 1e-3) * 1e6);
  }
  bool is_last(std::size_t rank) const { return rank + 1 == request_.ranks.size(); }

 private:
  const PartitionRequest& request_;
  std::vector<std::uint64_t> prefix_;
  std::map<std::string, int> ranks_on_;
};

// The split whose slowest rank is fastest, among those that fit; empty when none fits. best[r][e]: ranks 0…r hold layers
// [0, e). O(N · L²), 16 ranks and 126 layers: a millisecond.
std::vector<std::size_t> balance(const Costs& costs, std::size_t num_ranks, std::size_t num_layers) {
  std::vector<std::vector<double>> best(num_ranks, std::vector<double>(num_layers + 1, kNever));
  std::vector<std::vector<std::size_t>> from(num_ranks, std::vector<std::size_t>(num_layers + 1, 0));
  for (std::size_t rank = 0; rank < num_ranks; ++rank) {
    for (std::size_t end = rank + 1; end <= num_layers; ++end) {
      for (std::size_t first = rank == 0 ? 0 : rank; first < end; ++first) {
        if (rank == 0 && first > 0) break;
        if (costs.needed(rank, first, end) > costs.budget(rank)) continue;
        const double before = rank == 0 ? 0 : best[rank - 1][first];
        const double slowest = std::max(before, costs.step_ms(rank, first, end));
        if (slowest < best[rank][end]) {
          best[rank][end] = slowest;
          from[rank][end] = first;
        }
      }
    }
  }
  if (best[num_ranks - 1][num_layers] == kNever) return {};
  std::vector<std::size_t> ends(num_ranks);
  std::size_t end = num_layers;
  for (std::size_t rank = num_ranks; rank-- > 0;) {
    ends[rank] = end;
    end = from[rank][end];
  }
  return ends;
}

std::vector<std::size_t> ends_of(const std::vector<std::int32_t>& split, std::size_t num_ranks, std::size_t num_layers) {
  std::vector<std::size_t> ends;
  std::size_t end = 0;
  bool positive = true;
  for (const std::int32_t layers : split) {
    positive = positive && layers > 0;
    end += static_cast<std::size_t>(std::max(layers, 0));
    ends.push_back(end);
  }
  if (!positive || end != num_layers || split.size() != num_ranks) {
    throw Error(Code::kInvalidArgument, "--split: " + std::to_string(split.size()) + " parts with " + std::to_string(end) +
                                            " layers; this model has " + std::to_string(num_layers) + " layers for " +
                                            std::to_string(num_ranks) + " ranks, at least one each");
  }
  return ends;
}

[[noreturn]] void refuse(const Costs& costs, const PartitionRequest& request) {
  const std::size_t num_layers = request.sizes.layer_bytes.size();
  const std::size_t num_ranks = request.ranks.size();
  std::uint64_t all_weights = request.sizes.embedding_bytes + request.sizes.head_bytes;
  for (const std::uint64_t bytes : request.sizes.layer_bytes) all_weights += bytes;
  std::uint64_t all_budgets = 0;
  std::string list;
  for (std::size_t rank = 0; rank < num_ranks; ++rank) {
    all_budgets += costs.budget(rank);
    list += format("%s rank %zu (%s) %s", rank == 0 ? "" : ",", rank, request.ranks[rank].machine.c_str(),
                   format_bytes(costs.budget(rank)).c_str());
  }
  const std::uint64_t per_rank = request.sizes.activation_bytes + kStageOverheadBytes;
  const std::uint64_t needed = all_weights + costs.kv(0, num_layers) + request.sizes.logits_bytes + per_rank * num_ranks;
  const std::uint64_t largest = costs.budget(0);
  const std::uint64_t more = (needed + largest - 1) / std::max<std::uint64_t>(largest, 1);
  throw Error(Code::kDoesNotFit,
              format("the model does not fit: %s of weights, %s of KV for %lld tokens and %s of working memory a rank, %s in "
                     "all; the budgets are%s, %s in all. Add machines of this size (about %llu in all), raise --memory, or "
                     "lower --max-model-len",
                     format_bytes(all_weights).c_str(), format_bytes(costs.kv(0, num_layers)).c_str(),
                     static_cast<long long>(request.kv_tokens), format_bytes(per_rank).c_str(), format_bytes(needed).c_str(),
                     list.c_str(), format_bytes(all_budgets).c_str(),
                     static_cast<unsigned long long>(std::max<std::uint64_t>(more, num_ranks + 1))));
}

void check_fits(const Costs& costs, const std::vector<std::size_t>& ends, const PartitionRequest& request) {
  std::size_t first = 0;
  for (std::size_t rank = 0; rank < ends.size(); first = ends[rank++]) {
    const std::uint64_t needed = costs.needed(rank, first, ends[rank]);
    if (needed <= costs.budget(rank)) continue;
    throw Error(Code::kDoesNotFit, format("--split: rank %zu (%s) would need %s and has a budget of %s; give it fewer layers "
                                          "or leave --split out",
                                          rank, request.ranks[rank].machine.c_str(), format_bytes(needed).c_str(),
                                          format_bytes(costs.budget(rank)).c_str()));
  }
}

}  // namespace

ModelSizes model_sizes(const checkpoint::Checkpoint& checkpoint, std::size_t bytes_per_weight, std::size_t kv_value_bytes,
                       std::int64_t max_step_tokens) {
  const checkpoint::ModelConfig& config = checkpoint.config();
  const auto served = [&](const std::vector<checkpoint::TensorInfo>& tensors) {
    std::uint64_t bytes = 0;
    for (const auto& tensor : tensors) {
      bytes += bytes_per_weight == 0 ? tensor.size_bytes : tensor.size_bytes / dtype_bytes(tensor.dtype) * bytes_per_weight;
    }
    return bytes;
  };
  ModelSizes sizes;
  for (std::int32_t layer = 0; layer < config.num_layers; ++layer) {
    sizes.layer_bytes.push_back(served(checkpoint.slice({.first_layer = layer, .end_layer = layer + 1})));
  }
  sizes.embedding_bytes = served(checkpoint.slice({.embedding = true}));
  sizes.head_bytes = served(checkpoint.slice({.head = true}));
  sizes.kv_bytes_per_token_layer = 2ull * config.num_kv_heads * config.head_dim * kv_value_bytes;
  // f32 rows alive at once in a layer: the residual in and out, QKV, attention output, gate and up.
  const std::int64_t row_values = 4ll * config.hidden_size + 3ll * config.num_heads * config.head_dim + 3ll * config.ffn_size;
  sizes.activation_bytes = static_cast<std::uint64_t>(max_step_tokens * row_values * 4);
  sizes.logits_bytes = 64ull * config.vocab_size * 4 * 2;
  return sizes;
}

std::vector<RankPlan> partition(const PartitionRequest& request) {
  const std::size_t num_layers = request.sizes.layer_bytes.size(), num_ranks = request.ranks.size();
  if (num_ranks == 0 || num_ranks > num_layers) {
    throw Error(Code::kInvalidArgument, format("%zu ranks for a model of %zu layers: every rank needs at least one layer",
                                               num_ranks, num_layers));
  }
  const Costs costs(request);
  std::vector<std::size_t> ends;
  if (request.split.empty()) {
    ends = balance(costs, num_ranks, num_layers);
    if (ends.empty()) refuse(costs, request);
  } else {
    ends = ends_of(request.split, num_ranks, num_layers);
    check_fits(costs, ends, request);
  }
  std::vector<RankPlan> plan;
  std::size_t first = 0;
  for (std::size_t rank = 0; rank < num_ranks; first = ends[rank++]) {
    RankPlan part{.machine = request.ranks[rank].machine};
    part.share = {.first_layer = static_cast<std::int32_t>(first),
                  .end_layer = static_cast<std::int32_t>(ends[rank]),
                  .embedding = rank == 0,
                  .head = costs.is_last(rank)};
    part.weight_bytes = costs.weights(rank, first, ends[rank]);
    part.kv_bytes = costs.kv(first, ends[rank]);
    part.budget_bytes = costs.budget(rank);
    part.step_ms = costs.step_ms(rank, first, ends[rank]);
    plan.push_back(part);
  }
  return plan;
}

std::string to_table(const std::vector<RankPlan>& plan) {
  std::string table = "rank  machine           layers                        weights         KV     budget\n";
  for (std::size_t rank = 0; rank < plan.size(); ++rank) {
    const RankPlan& part = plan[rank];
    table += format("%4zu  %-16s  %-26s  %9s  %9s  %9s\n", rank, part.machine.c_str(), to_string(part.share).c_str(),
                    format_bytes(part.weight_bytes).c_str(), format_bytes(part.kv_bytes).c_str(),
                    format_bytes(part.budget_bytes).c_str());
  }
  return table;
}

}  // namespace tandem::cluster
