// What config.json and generation_config.json say, as numbers that the layers, the planner and the API need.
// Torch-free.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tandem/base/json.h"

namespace tandem::checkpoint {

/// Positions to angles; the names of transformers' rope_type.
struct RopeConfig {
  enum class Type { kDefault, kLinear, kDynamic, kLlama3, kYarn, kLongRope };
  Type type = Type::kDefault;
  double theta = 10000.0;
  double factor = 1.0;
  double low_freq_factor = 1.0, high_freq_factor = 4.0;   ///< llama3
  double attention_factor = 1.0;  ///< cos and sin are scaled by it: yarn, longrope (derived when absent)
  double beta_fast = 32, beta_slow = 1;  ///< yarn
  bool truncate = true;  ///< yarn: the bounds of its ramp are rounded to whole dimensions
  std::int64_t original_max_position =
      0;  ///< llama3, yarn, longrope: before the stretching; else max_position
  std::int32_t rotary_dim = 0;  ///< ≤ D, even; phi rotates the first part of each head
  std::vector<double> short_factor, long_factor;  ///< longrope: [rotary_dim / 2] each
};

enum class Architecture { kLlama, kMistral, kQwen2, kQwen3, kPhi };
enum class Activation { kSilu, kGelu, kGeluTanh, kRelu };

/// Dimensions by the letters of the glossary (DESIGN §5).
struct ModelConfig {
  Architecture architecture = Architecture::kLlama;
  std::string model_type;  ///< "llama", "mistral", "qwen2", "qwen3", "phi"
  std::string torch_dtype;  ///< as the config says: "bfloat16"; "" when absent
  std::int32_t num_layers = 0;  ///< L
  std::int32_t hidden_size = 0;  ///< H
  std::int32_t num_heads = 0;  ///< Q
  std::int32_t num_kv_heads = 0;  ///< K, divides Q
  std::int32_t head_dim = 0;  ///< D
  std::int32_t ffn_size = 0;  ///< F
  std::int32_t vocab_size = 0;  ///< V, rows of the embedding
  std::int32_t max_position = 0;
  double norm_eps = 1e-5;
  Activation activation = Activation::kSilu;
  RopeConfig rope;
  bool tie_embeddings =
      false;  ///< the LM head is the embedding; Checkpoint::open decides when both tensors are there
  bool attention_bias = false;  ///< biases on q, k, v
  bool output_bias = false;  ///< bias on the attention's output projection
  bool mlp_bias = false;
  bool qk_norm = false;  ///< Qwen3: RMSNorm over D of q and k; phi's qk_layernorm is refused
  bool parallel_block = false;  ///< phi: attention and MLP read the same norm
  std::int32_t sliding_window = 0;  ///< tokens seen back, itself included; 0: all
  /// One entry a layer when windows differ between layers; empty: `sliding_window` everywhere.
  std::vector<bool> layer_is_sliding;

  /// From generation_config.json, else config.json.
  std::vector<std::int32_t> end_ids;
  std::optional<std::int32_t> bos_id;
  std::optional<double> temperature, top_p, min_p, repetition_penalty;
  std::optional<std::int32_t> top_k;

  Json raw;  ///< config.json as it stands
  Json raw_generation;  ///< generation_config.json as it stands; null when absent

  /// Reads both files of a model folder (each at most 1 MiB). Throws Error{kNotFound} (no config.json),
  /// kUnsupported (unknown architecture: the list of known ones; a quantization_config: its method and what
  /// to take instead), kCorrupt (a field missing, of the wrong type or out of range: its name and value).
  static ModelConfig load(const std::filesystem::path& folder);
  /// `generation_config`: null when there is no such file.
  static ModelConfig parse(const Json& config, const Json& generation_config);
};

/// "llama, mistral, qwen2, qwen3, phi"
std::string known_architectures();

}  // namespace tandem::checkpoint
