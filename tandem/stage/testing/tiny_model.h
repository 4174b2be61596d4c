// A random Llama of a few kilobytes on disk, and the plans that let it answer. For this room's
// tests.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "tandem/checkpoint/checkpoint.h"
#include "tandem/checkpoint/needed_tensors.h"
#include "tandem/checkpoint/safetensors.h"
#include "tandem/step/step_plan.h"

namespace tandem::stage {

inline constexpr std::int32_t kLayers = 4, kVocab = 96, kBlocks = 32, kBlockSize = 4, kMaxLen = 64;

/// A folder that goes with the object.
class TinyModel {
 public:
  TinyModel() {
    std::string pattern = ::testing::TempDir() + "tandem-stage-XXXXXX";
    if (::mkdtemp(pattern.data()) == nullptr) throw Error(Code::kIo, "no temporary folder");
    folder_ = pattern;
    const Json config = {{"model_type", "llama"},
                         {"vocab_size", kVocab},
                         {"hidden_size", 32},
                         {"intermediate_size", 48},
                         {"num_hidden_layers", kLayers},
                         {"num_attention_heads", 4},
                         {"num_key_value_heads", 2},
                         {"max_position_embeddings", kMaxLen}};
    std::ofstream(folder_ / "config.json") << config.dump();
    std::ofstream(folder_ / "model.safetensors", std::ios::binary)
        << weights(checkpoint::ModelConfig::parse(config, Json()));
  }
  ~TinyModel() { std::filesystem::remove_all(folder_); }
  TinyModel(const TinyModel&) = delete;
  TinyModel& operator=(const TinyModel&) = delete;

  const std::filesystem::path& folder() const { return folder_; }

 private:
  /// Norms are 1, matrices uniform in ±0.35: logits differ enough for greedy to have one answer.
  static std::string weights(const checkpoint::ModelConfig& config) {
    std::vector<checkpoint::NeededTensor> needed = {checkpoint::needed_embedding(config)};
    const auto take = [&](std::vector<checkpoint::NeededTensor> more) {
      needed.insert(needed.end(), more.begin(), more.end());
    };
    for (std::int32_t layer = 0; layer < config.num_layers; ++layer)
      take(checkpoint::needed_layer(config, layer));
    take(checkpoint::needed_head(config));
    std::vector<checkpoint::TensorInfo> tensors;
    for (const auto& tensor : needed) {
      std::uint64_t bytes = sizeof(float);
      for (const std::int64_t dim : tensor.shape) bytes *= static_cast<std::uint64_t>(dim);
      tensors.push_back({.name = tensor.name, .shape = tensor.shape, .size_bytes = bytes});
    }
    const checkpoint::PackedLayout layout = checkpoint::pack(tensors);
    std::string file = layout.header;
    std::uint32_t state = 1;
    for (const auto& tensor : layout.tensors) {
      for (std::uint64_t i = 0; i < tensor.size_bytes / sizeof(float); ++i) {
        state = state * 1664525 + 1013904223;
        const float value = tensor.shape.size() == 1
                                ? 1.0f
                                : (static_cast<float>(state >> 8) / 16777216.0f - 0.5f) * 0.7f;
        file.append(reinterpret_cast<const char*>(&value), sizeof(value));
      }
    }
    return file;
  }

  std::filesystem::path folder_;
};

/// The share of rank `rank` when `size` ranks divide the layers as evenly as can be.
inline checkpoint::Share share_of(int rank, int size) {
  return {.first_layer = kLayers * rank / size,
          .end_layer = kLayers * (rank + 1) / size,
          .embedding = rank == 0,
          .head = rank + 1 == size};
}

/// Runs plans one after the other for two sequences of different lengths: prompts in two chunks,
/// then greedy and seeded draws. Returns what each drew, with log-probabilities.
inline std::vector<std::vector<step::TokenResult>> generate(
    std::uint64_t generation, const std::function<step::StepResult(const step::StepPlan&)>& run,
    int num_tokens = 12) {
  const std::vector<std::vector<step::TokenId>> prompts = {{1, 2, 3, 4, 5, 6, 7, 8, 9},
                                                           {50, 40, 30}};
  std::vector<std::vector<step::TokenResult>> drawn(prompts.size());
  std::vector<step::StepPlan> plans(2);
  plans[1].number = 1;
  for (auto& plan : plans) plan.generation = generation;
  for (std::size_t s = 0; s < prompts.size(); ++s) {
    step::OpenSequence open{.sequence = s + 1,
                            .ids = prompts[s],
                            .num_prompt_ids = static_cast<std::int32_t>(prompts[s].size())};
    open.sampling.temperature = s == 0 ? 0.0f : 1.0f;
    open.sampling.frequency_penalty = s == 0 ? 0.0f : 0.5f;
    open.sampling.seed = 7;
    open.sampling.num_logprobs = 2;
    plans[0].open.push_back(open);
    const std::vector<step::TokenId> head(prompts[s].begin(), prompts[s].end() - 1);
    std::vector<step::BlockId> blocks;
    for (int b = 0; b < 8; ++b) blocks.push_back(static_cast<step::BlockId>(8 * s) + b);
    plans[0].slices.push_back(
        {.sequence = s + 1, .first_position = 0, .ids = head, .blocks_added = blocks});
    plans[1].slices.push_back({.sequence = s + 1,
                               .first_position = static_cast<std::int32_t>(head.size()),
                               .ids = {prompts[s].back()},
                               .requests = {{.row = 0}}});
  }
  run(plans[0]);
  step::StepPlan plan = plans[1];
  for (int i = 0; i < num_tokens; ++i) {
    const step::StepResult result = run(plan);
    EXPECT_EQ(result.number, plan.number);
    ++plan.number;
    for (std::size_t s = 0; s < prompts.size(); ++s) {
      const step::TokenResult& token = result.slices.at(s).rows.at(0).tokens.at(0);
      drawn[s].push_back(token);
      step::Slice& slice = plan.slices[s];
      slice.first_position += 1;
      slice.ids = {token.id};
    }
  }
  return drawn;
}

}  // namespace tandem::stage
