// Runs a model in one process for tests/python/test_model.py: one job as JSON on stdin, greedy tokens as JSON on stdout, and
// the logits of every row in a file, f32 [rows, V]. The ranks of a split are chained by handing the hidden states on.
#include <ATen/ATen.h>

#include <fstream>
#include <iostream>
#include <iterator>

#include "tandem/base/error.h"
#include "tandem/base/json.h"
#include "tandem/checkpoint/checkpoint.h"
#include "tandem/model/model.h"
#include "tandem/model/sampler.h"

namespace tandem::model {
namespace {

/// One sequence of the job: all ids so far, and how many of them the model has seen.
struct Run {
  std::vector<step::TokenId> ids;
  std::size_t num_wanted = 0;   ///< ids at the end: prompt + steps
  std::int64_t num_computed = 0, chunk = 0, start = 0;
  std::vector<step::BlockId> blocks;
  std::ofstream logits;

  bool is_finished() const { return num_computed + 1 >= static_cast<std::int64_t>(num_wanted); }
};

std::vector<std::unique_ptr<Model>> load_ranks(const Json& job) {
  const auto checkpoint = checkpoint::Checkpoint::open(job.at("folder").get<std::string>());
  const ModelOptions options{.dtype = job.value("dtype", "auto"),
                             .device = job.value("device", "cpu"),
                             .ops = job.value("ops", "auto"),
                             .kv_dtype = job.value("kv_dtype", "auto"),
                             .num_threads = job.value("threads", 1)};
  std::vector<std::unique_ptr<Model>> ranks;
  std::int32_t first = 0;
  const auto shares = job.at("shares").get<std::vector<std::int32_t>>();
  for (std::size_t r = 0; r < shares.size(); ++r) {
    const checkpoint::Share share{.first_layer = first, .end_layer = first + shares[r], .embedding = r == 0,
                                  .head = r + 1 == shares.size()};
    first += shares[r];
    ranks.push_back(load_model(checkpoint, share, options, {}));
    ranks.back()->allocate_kv(job.value("num_blocks", 256), job.value("block_size", 16));
  }
  return ranks;
}

std::vector<Run> read_runs(const Json& job) {
  std::vector<Run> runs;
  for (const Json& sequence : job.at("sequences")) {
    Run& run = runs.emplace_back();
    run.ids = sequence.at("prompt").get<std::vector<step::TokenId>>();
    run.num_wanted = run.ids.size() + sequence.value("steps", 0);
    run.chunk = sequence.value("chunk", 1 << 20);
    run.start = sequence.value("start", 0);
    run.logits.open(sequence.at("logits").get<std::string>(), std::ios::binary);
  }
  return runs;
}

/// Blocks are handed out from the pool's end, so that no table is the identity.
void grow_blocks(Run& run, std::int64_t num_tokens, std::int32_t block_size, std::int32_t& num_free) {
  while (static_cast<std::int64_t>(run.blocks.size()) * block_size < num_tokens) {
    if (num_free == 0) throw Error(Code::kResourceExhausted, "driver: num_blocks is too small for the job");
    run.blocks.push_back(--num_free);
  }
}

/// One step of every run that has begun and is not finished; false when none is left.
bool step_all(std::vector<std::unique_ptr<Model>>& ranks, std::vector<Run>& runs, std::int64_t number,
              std::int32_t block_size, std::int32_t& num_free) {
  Batch batch;
  std::vector<Run*> active;
  bool waits = false;
  for (Run& run : runs) {
    if (run.is_finished()) continue;
    waits = waits || run.start > number;
    if (run.start > number) continue;
    const std::int64_t rows = std::min<std::int64_t>(run.chunk, static_cast<std::int64_t>(run.ids.size()) - run.num_computed);
    grow_blocks(run, run.num_computed + rows, block_size, num_free);
    batch.slices.push_back({.first_row = static_cast<std::int64_t>(batch.ids.size()), .num_rows = rows,
                            .first_position = run.num_computed, .block_table = run.blocks});
    const auto first = run.ids.begin() + run.num_computed;
    batch.ids.insert(batch.ids.end(), first, first + rows);
    active.push_back(&run);
  }
  if (active.empty()) return waits;
  at::Tensor hidden;
  for (const auto& rank : ranks) hidden = rank->forward(batch, hidden);
  const at::Tensor logits = ranks.back()->logits(ranks.back()->final_norm(hidden)).to(at::kCPU).contiguous();
  const auto width = static_cast<std::size_t>(logits.size(1));
  const step::SamplingParams greedy{.temperature = 0};
  for (std::size_t i = 0; i < active.size(); ++i) {
    const BatchSlice& slice = batch.slices[i];
    Run& run = *active[i];
    const float* rows = logits.data_ptr<float>() + slice.first_row * width;
    run.logits.write(reinterpret_cast<const char*>(rows), static_cast<std::streamsize>(slice.num_rows * width * sizeof(float)));
    run.num_computed += slice.num_rows;
    if (run.num_computed < static_cast<std::int64_t>(run.ids.size())) continue;
    const std::span<const float> last(rows + (slice.num_rows - 1) * width, width);
    run.ids.push_back(draw(last, static_cast<std::int32_t>(width), {.params = &greedy}).id);
  }
  return true;
}

/// The most this process has had resident, file mappings included; 0 where the system does not tell.
std::uint64_t peak_resident_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6)) * 1024;
  }
  return 0;
}

void run_job(const Json& job) {
  auto ranks = load_ranks(job);
  std::vector<Run> runs = read_runs(job);
  std::int32_t num_free = job.value("num_blocks", 256);
  for (std::int64_t number = 0; step_all(ranks, runs, number, job.value("block_size", 16), num_free); ++number) {
  }
  Json result = Json::object();
  result["ids"] = Json::array();
  for (const Run& run : runs) result["ids"].push_back(run.ids);
  result["weight_bytes"] = Json::array();
  for (const auto& rank : ranks) result["weight_bytes"].push_back(rank->weight_bytes());
  result["peak_resident_bytes"] = peak_resident_bytes();
  std::cout << dump_json(result) << '\n';
}

}  // namespace
}  // namespace tandem::model

int main() {
  try {
    const std::string text{std::istreambuf_iterator<char>(std::cin), {}};
    tandem::model::run_job(tandem::parse_json(text, "job"));
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "tandem_model_driver: " << error.what() << '\n';
    return 1;
  }
}
