// Prints what this room reads from a model folder as JSON, so that Python tests can compare it with
// transformers and safetensors.
#include <cstdio>
#include <exception>
#include <string>

#include "tandem/base/error.h"
#include "tandem/base/strings.h"
#include "tandem/checkpoint/checkpoint.h"

namespace tandem::checkpoint {
namespace {

template <typename T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

Json rope_json(const RopeConfig& rope) {
  static constexpr const char* kTypes[] = {"default", "linear", "dynamic", "llama3", "yarn", "longrope"};
  return {{"type", kTypes[static_cast<int>(rope.type)]},
          {"theta", rope.theta},
          {"factor", rope.factor},
          {"low_freq_factor", rope.low_freq_factor},
          {"high_freq_factor", rope.high_freq_factor},
          {"attention_factor", rope.attention_factor},
          {"beta_fast", rope.beta_fast},
          {"beta_slow", rope.beta_slow},
          {"truncate", rope.truncate},
          {"original_max_position", rope.original_max_position},
          {"rotary_dim", rope.rotary_dim},
          {"short_factor", rope.short_factor},
          {"long_factor", rope.long_factor}};
}

Json config_json(const ModelConfig& config) {
  static constexpr const char* kActivations[] = {"silu", "gelu", "gelu_tanh", "relu"};
  return {{"model_type", config.model_type},
          {"torch_dtype", config.torch_dtype},
          {"num_layers", config.num_layers},
          {"hidden_size", config.hidden_size},
          {"num_heads", config.num_heads},
          {"num_kv_heads", config.num_kv_heads},
          {"head_dim", config.head_dim},
          {"ffn_size", config.ffn_size},
          {"vocab_size", config.vocab_size},
          {"max_position", config.max_position},
          {"norm_eps", config.norm_eps},
          {"activation", kActivations[static_cast<int>(config.activation)]},
          {"rope", rope_json(config.rope)},
          {"tie_embeddings", config.tie_embeddings},
          {"attention_bias", config.attention_bias},
          {"output_bias", config.output_bias},
          {"mlp_bias", config.mlp_bias},
          {"qk_norm", config.qk_norm},
          {"parallel_block", config.parallel_block},
          {"sliding_window", config.sliding_window},
          {"layer_is_sliding", config.layer_is_sliding},
          {"end_ids", config.end_ids},
          {"bos_id", or_null(config.bos_id)},
          {"temperature", or_null(config.temperature)},
          {"top_p", or_null(config.top_p)},
          {"min_p", or_null(config.min_p)},
          {"repetition_penalty", or_null(config.repetition_penalty)},
          {"top_k", or_null(config.top_k)}};
}

Json tensors_json(const Checkpoint& checkpoint, const std::vector<TensorInfo>& tensors) {
  Json list = Json::array();
  for (const TensorInfo& tensor : tensors) {
    list.push_back({{"name", tensor.name},
                    {"dtype", to_string(tensor.dtype)},
                    {"shape", tensor.shape},
                    {"sha256", to_hex(sha256(checkpoint.bytes(tensor)))}});
    checkpoint.release(tensor);
  }
  return list;
}

/// config FOLDER | tensors FOLDER | slice FOLDER FIRST END EMBEDDING HEAD
int run(const std::vector<std::string>& arguments) {
  const auto number = [&](std::size_t i) {
    return static_cast<std::int32_t>(parse_int(arguments.at(i)).value_or(-1));
  };
  Json answer;
  if (arguments.at(0) == "config") {
    answer = config_json(ModelConfig::load(arguments.at(1)));
  } else {
    const Checkpoint checkpoint = Checkpoint::open(arguments.at(1));
    if (arguments[0] == "tensors") {
      answer = tensors_json(checkpoint, checkpoint.tensors());
    } else {
      const Share share{.first_layer = number(2),
                        .end_layer = number(3),
                        .embedding = number(4) == 1,
                        .head = number(5) == 1};
      answer = tensors_json(checkpoint, checkpoint.slice(share));
    }
  }
  std::puts(dump_json(answer).c_str());
  return 0;
}

}  // namespace
}  // namespace tandem::checkpoint

int main(int argc, char** argv) {
  try {
    return tandem::checkpoint::run({argv + 1, argv + argc});
  } catch (const tandem::Error& error) {
    std::fprintf(stderr, "%s: %s\n", std::string(tandem::to_string(error.code())).c_str(), error.what());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "defect: %s\n", error.what());
  }
  return 1;
}
