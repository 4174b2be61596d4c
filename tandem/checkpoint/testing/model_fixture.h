// Model folders for this room's tests: made in a fresh temporary folder, honest or not.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "tandem/base/error.h"
#include "tandem/checkpoint/checkpoint.h"
#include "tandem/checkpoint/needed_tensors.h"
#include "tandem/checkpoint/safetensors.h"

namespace tandem::checkpoint {

/// Runs `action`, expects an Error of that code, and returns its message.
template <typename Action>
std::string error_of(Code code, const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error was thrown";
  return "";
}

class ModelFixture : public ::testing::Test {
 protected:
  using Path = std::filesystem::path;

  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "tandem-checkpoint-XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    folder_ = root_ / "model";
    std::filesystem::create_directory(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  static void write(const Path& path, const std::string& text) {
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
  }

  /// A Llama of 3 layers, H 16, Q 4, K 2, F 24; `vocab` sets its size.
  static Json small_config(int vocab = 40) {
    return {{"model_type", "llama"},   {"vocab_size", vocab},    {"hidden_size", 16},
            {"intermediate_size", 24}, {"num_hidden_layers", 3}, {"num_attention_heads", 4},
            {"num_key_value_heads", 2}};
  }

  /// The bytes of a safetensors file.
  static std::string safetensors(const std::string& header, const std::string& data) {
    const std::uint64_t length = header.size();
    return std::string(reinterpret_cast<const char*>(&length), 8) + header + data;
  }

  /// Every tensor that `config` needs, f32, in a packed file; each filled with bytes of its own.
  static std::string weights_of(const ModelConfig& config) {
    std::vector<NeededTensor> needed = {needed_embedding(config)};
    for (int layer = 0; layer < config.num_layers; ++layer) {
      for (NeededTensor& tensor : needed_layer(config, layer)) needed.push_back(std::move(tensor));
    }
    for (NeededTensor& tensor : needed_head(config)) {
      if (tensor.name != needed[0].name) needed.push_back(std::move(tensor));
    }
    return packed_file(needed);
  }

  static std::string packed_file(const std::vector<NeededTensor>& needed) {
    std::vector<TensorInfo> tensors;
    for (const NeededTensor& tensor : needed) {
      std::uint64_t bytes = 4;
      for (const std::int64_t dim : tensor.shape) bytes *= static_cast<std::uint64_t>(dim);
      tensors.push_back({.name = tensor.name, .shape = tensor.shape, .size_bytes = bytes});
    }
    const PackedLayout layout = pack(tensors);
    std::string file = layout.header;
    std::uint32_t state = 1;
    while (file.size() < layout.file_bytes()) {
      state = state * 1664525 + 1013904223;
      file.append(reinterpret_cast<const char*>(&state), 4);
    }
    return file;
  }

  void write_model(const Json& config) {
    write(folder_ / "config.json", config.dump());
    write(folder_ / "model.safetensors", weights_of(ModelConfig::parse(config, Json())));
  }

  Path root_, folder_;
};

}  // namespace tandem::checkpoint
