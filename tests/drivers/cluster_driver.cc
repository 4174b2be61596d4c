// Serves a folder with real stages on this machine and prints what they compute: the log-probabilities of every token at
// every position of a prompt and of greedily decoded tokens. Asked by tests/python/test_cluster.py.
//   tandem_cluster_driver '{"folder", "prompt", "decode", "ranks", "split", "ops", "dtype", "vocab", "threads", "chunks"}'
#include <cstdio>
#include <fstream>
#include <iostream>

#include "tandem/base/error.h"
#include "tandem/base/json.h"
#include "tandem/base/log.h"
#include "tandem/cluster/cluster.h"
#include "tandem/cluster/machine.h"
#include "tandem/cluster/stage_process.h"
#include "tandem/link/secret.h"

namespace {

using namespace tandem;
using SteadyTime = std::chrono::steady_clock;

cluster::ClusterOptions options_for(const Json& request, const checkpoint::Checkpoint& checkpoint) {
  cluster::ClusterOptions options;
  options.secret = link::make_secret();
  options.stage_program = cluster::find_stage_program();
  options.cache_folder = request.at("cache").get<std::string>();
  options.local_agent.machine = "here";
  options.local_agent.instance = "driver";
  options.local_agent.memory_budget_bytes = 16ull << 30;
  options.local_agent.num_threads = request.value("threads", 1) * request.value("ranks", 1);
  options.local_agent.read_gb_s = 10;
  cluster::CoordinatorOptions& coordinator = options.coordinator;
  coordinator.num_local_stages = request.value("ranks", 1);
  coordinator.split = request.value("split", std::vector<std::int32_t>{});
  coordinator.dtype = request.value("dtype", "auto");
  coordinator.ops = request.value("ops", "auto");
  coordinator.model_folder = request.at("folder").get<std::string>();
  coordinator.model_max_position = checkpoint.config().max_position;
  coordinator.max_model_len = request.value("max_len", 256);  // dynamic scalings go beyond the model's own
  coordinator.max_num_seqs = 4;
  coordinator.vocab_limit = request.at("vocab").get<std::int32_t>();
  coordinator.sizes = cluster::model_sizes(checkpoint, 0, 4, 512);
  return options;
}

// Runs plans of one sequence, each in flight alone.
class Sequence {
 public:
  Sequence(cluster::Cluster& cluster, std::int32_t vocab) : cluster_(cluster), info_(cluster.info()), vocab_(vocab) {}

  step::TokenId run(const std::vector<step::TokenId>& ids, bool is_first, const std::vector<step::TokenId>& prompt) {
    step::StepPlan plan{.deployment = info_.deployment, .generation = info_.generation, .number = number_++};
    if (is_first) {
      step::OpenSequence open{.sequence = 1, .ids = prompt, .num_prompt_ids = static_cast<std::int32_t>(prompt.size())};
      open.sampling.temperature = 0;
      open.sampling.num_logprobs = vocab_;
      plan.open.push_back(open);
    }
    step::Slice slice{.sequence = 1, .first_position = position_, .ids = ids};
    const auto end = position_ + static_cast<std::int32_t>(ids.size());
    for (; num_blocks_ * info_.block_size < end; ++num_blocks_) slice.blocks_added.push_back(num_blocks_);
    // Only the last row draws what follows; the others are asked for their distribution, whose draw is dropped.
    for (std::size_t row = 0; row < ids.size(); ++row) slice.requests.push_back({.row = static_cast<std::int32_t>(row)});
    plan.slices.push_back(slice);
    position_ = end;
    cluster_.submit(plan);
    while (true) {
      const auto outcome = cluster_.wait();
      if (!outcome) continue;
      if (const auto* ended = std::get_if<step::GenerationEnded>(&*outcome)) throw Error(Code::kInternal, ended->reason);
      return print(std::get<step::StepResult>(*outcome));
    }
  }

 private:
  step::TokenId print(const step::StepResult& result) {
    step::TokenId last = 0;
    for (const step::RowResult& row : result.slices.at(0).rows) {
      std::vector<float> logprobs(vocab_, 0);
      for (const step::TopLogprob& top : row.tokens.at(0).top) logprobs.at(top.id) = top.logprob;
      std::fwrite(logprobs.data(), sizeof(float), logprobs.size(), stdout);
      last = row.tokens.at(0).id;
    }
    return last;
  }

  cluster::Cluster& cluster_;
  const step::RunnerInfo info_;
  const std::int32_t vocab_;
  std::uint64_t number_ = 0;
  std::int32_t position_ = 0, num_blocks_ = 0;
};

int run(const Json& request) {
  log::setup({.level = "warning"});
  const auto checkpoint = checkpoint::Checkpoint::open(request.at("folder").get<std::string>());
  cluster::Cluster cluster(options_for(request, checkpoint), checkpoint);
  if (!cluster.wait_until_ready(SteadyTime::now() + std::chrono::seconds(60))) {
    throw cluster.fatal() ? *cluster.fatal() : Error(Code::kUnavailable, cluster.info().reason);
  }
  Sequence sequence(cluster, request.at("vocab").get<std::int32_t>());
  const auto prompt = request.at("prompt").get<std::vector<step::TokenId>>();
  const std::size_t chunk = request.value("chunk", prompt.size());
  step::TokenId next = 0;
  for (std::size_t at = 0; at < prompt.size(); at += chunk) {
    const auto end = prompt.begin() + static_cast<std::ptrdiff_t>(std::min(at + chunk, prompt.size()));
    next = sequence.run({prompt.begin() + static_cast<std::ptrdiff_t>(at), end}, at == 0, prompt);
  }
  for (int i = 0; i < request.value("decode", 0); ++i) next = sequence.run({next}, /*is_first=*/false, prompt);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(parse_json(argc > 1 ? argv[1] : "", "the request"));
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
