#include "tandem/checkpoint/model_config.h"

#include <algorithm>
#include <utility>

#include "tandem/base/error.h"
#include "tandem/base/strings.h"
#include "tandem/checkpoint/field_reader.h"
#include "tandem/checkpoint/model_folder.h"
#include "tandem/checkpoint/rope_config.h"

namespace tandem::checkpoint {
namespace {

// Bounds far above any dense model of today (Llama 3.1 405B: L 126, H 16384, F 53248, V 128256) and low
// enough that no product of two of them overflows 64 bits.
constexpr std::int64_t kMaxLayers = 1024;
constexpr std::int64_t kMaxHidden = 131072;
constexpr std::int64_t kMaxHeads = 4096;
constexpr std::int64_t kMaxHeadDim = 1024;
constexpr std::int64_t kMaxFfn = 1 << 20;
constexpr std::int64_t kMaxVocab = 1 << 22;
constexpr std::int64_t kMaxPosition = 1 << 30;
constexpr std::size_t kMaxEndIds = 256;
constexpr std::size_t kMaxConfigBytes = 1 << 20;

/// What transformers' config class of an architecture takes for an absent field.
struct Defaults {
  Architecture architecture;
  std::string_view model_type;
  std::string_view class_name;    ///< in "architectures"
  std::int64_t vocab_size, hidden_size, ffn_size, num_layers, num_heads;
  std::int64_t num_kv_heads;      ///< 0: as many as query heads
  std::int64_t head_dim;          ///< 0: H / Q
  std::int64_t max_position;
  std::int64_t sliding_window;    ///< 0: none
  double norm_eps;
  std::string_view activation;
  std::int32_t bos_id, end_id;    ///< -1: none
};

// clang-format off
constexpr Defaults kDefaults[] = {
    {Architecture::kLlama, "llama", "LlamaForCausalLM",
     32000, 4096, 11008, 32, 32, 0, 0, 2048, 0, 1e-6, "silu", 1, 2},
    {Architecture::kMistral, "mistral", "MistralForCausalLM",
     32000, 4096, 14336, 32, 32, 8, 0, 131072, 4096, 1e-6, "silu", 1, 2},
    {Architecture::kQwen2, "qwen2", "Qwen2ForCausalLM",
     151936, 4096, 22016, 32, 32, 32, 0, 32768, 4096, 1e-6, "silu", -1, -1},
    {Architecture::kQwen3, "qwen3", "Qwen3ForCausalLM",
     151936, 4096, 22016, 32, 32, 32, 128, 32768, 4096, 1e-6, "silu", -1, -1},
    {Architecture::kPhi, "phi", "PhiForCausalLM",
     51200, 2048, 8192, 24, 32, 0, 0, 2048, 0, 1e-5, "gelu_new", 1, 2},
};
// clang-format on

/// The row of `model_type`, or of the first entry in "architectures" where a config names no type.
const Defaults& defaults_of(const FieldReader& config) {
  const auto type = config.text("model_type");
  const auto classes = config.texts("architectures", 16).value_or(std::vector<std::string>{});
  for (const Defaults& row : kDefaults) {
    if (type ? *type == row.model_type : !classes.empty() && classes[0] == row.class_name) return row;
  }
  const std::string name = type ? *type : classes.empty() ? "" : classes[0];
  if (name.empty()) {
    throw Error(Code::kUnsupported,
                config.where() + ": names no model_type; known are " + known_architectures());
  }
  throw Error(Code::kUnsupported, config.where() + ": architecture \"" + name.substr(0, 60) +
                                      "\" is not known; known are " + known_architectures());
}

/// Quantized weights are other block formats under the same names; reading them as numbers would give noise.
void refuse_quantized(const FieldReader& config) {
  const auto quantization = config.object("quantization_config");
  if (!quantization && !config.has("quantization")) return;
  std::string method = quantization ? quantization->text("quant_method").value_or("") : "";
  // mlx-lm writes group size and bits, and no method.
  if (method.empty()) method = "mlx";
  method.resize(std::min<std::size_t>(method.size(), 40));
  throw Error(Code::kUnsupported,
              config.where() + ": the weights are quantized by \"" + method +
                  "\", which is not read; take the original model in bf16, f16 or f32 (its page on the Hub names it "
                  "under \"base model\"; usually the same name without the ending for " + method + ")");
}

Activation read_activation(const FieldReader& config, std::string_view fallback) {
  static constexpr std::pair<std::string_view, Activation> kKnown[] = {
      {"silu", Activation::kSilu},          {"swish", Activation::kSilu},
      {"gelu", Activation::kGelu},          {"gelu_new", Activation::kGeluTanh},
      {"gelu_fast", Activation::kGeluTanh}, {"gelu_pytorch_tanh", Activation::kGeluTanh},
      {"relu", Activation::kRelu}};
  const std::string name = config.text("hidden_act").value_or(std::string(fallback));
  for (const auto& [known, activation] : kKnown) {
    if (name == known) return activation;
  }
  throw Error(Code::kUnsupported,
              config.where() + ": hidden_act \"" + name.substr(0, 40) +
                  "\" is not known; known are silu, gelu, gelu_new, gelu_pytorch_tanh, relu");
}

void read_dimensions(const FieldReader& config, const Defaults& defaults, ModelConfig& model) {
  const auto read = [&](std::string_view name, std::int64_t max, std::int64_t fallback) {
    return static_cast<std::int32_t>(config.integer(name, 1, max).value_or(fallback));
  };
  model.vocab_size = read("vocab_size", kMaxVocab, defaults.vocab_size);
  model.hidden_size = read("hidden_size", kMaxHidden, defaults.hidden_size);
  model.ffn_size = read("intermediate_size", kMaxFfn, defaults.ffn_size);
  model.num_layers = read("num_hidden_layers", kMaxLayers, defaults.num_layers);
  model.num_heads = read("num_attention_heads", kMaxHeads, defaults.num_heads);
  // An explicit null means "as many as query heads" in every class, an absent key its default.
  const bool as_query = config.mentions("num_key_value_heads") || defaults.num_kv_heads == 0;
  model.num_kv_heads =
      read("num_key_value_heads", model.num_heads, as_query ? model.num_heads : defaults.num_kv_heads);
  if (model.num_heads % model.num_kv_heads != 0) {
    config.refuse("num_key_value_heads",
                  "a divisor of num_attention_heads, " + std::to_string(model.num_heads));
  }
  const bool derive_head_dim = !config.has("head_dim") && defaults.head_dim == 0;
  if (derive_head_dim && model.hidden_size % model.num_heads != 0) {
    config.refuse("hidden_size", "a multiple of num_attention_heads, " + std::to_string(model.num_heads));
  }
  model.head_dim = read("head_dim", kMaxHeadDim,
                        derive_head_dim ? model.hidden_size / model.num_heads : defaults.head_dim);
  if (model.head_dim > kMaxHeadDim) config.refuse("hidden_size", "at most 1024 times num_attention_heads");
  model.max_position = read("max_position_embeddings", kMaxPosition, defaults.max_position);
}

/// Biases and norms by architecture, as in transformers' modeling_*.py.
void read_block(const FieldReader& config, const Defaults& defaults, ModelConfig& model) {
  const bool is_phi = model.architecture == Architecture::kPhi;
  const bool asked_bias = config.flag("attention_bias").value_or(false);
  model.norm_eps =
      config.number(is_phi ? "layer_norm_eps" : "rms_norm_eps", 0, 1).value_or(defaults.norm_eps);
  model.activation = read_activation(config, defaults.activation);
  model.tie_embeddings = config.flag("tie_word_embeddings").value_or(false);
  switch (model.architecture) {
    case Architecture::kLlama:
      model.attention_bias = model.output_bias = asked_bias;
      model.mlp_bias = config.flag("mlp_bias").value_or(false);
      break;
    case Architecture::kMistral: break;
    case Architecture::kQwen2: model.attention_bias = true; break;
    case Architecture::kQwen3:
      model.attention_bias = model.output_bias = asked_bias;
      model.qk_norm = true;
      break;
    case Architecture::kPhi:
      model.attention_bias = model.output_bias = model.mlp_bias = true;
      model.parallel_block = true;
      if (config.flag("qk_layernorm").value_or(false)) {
        throw Error(Code::kUnsupported,
                    config.where() +
                        ": phi with qk_layernorm is not offered; phi-1, phi-1.5 and phi-2 do without");
      }
      break;
  }
}

/// The kind of each layer as Qwen's config classes give it: "layer_types", else sliding from
/// max_window_layers on.
std::vector<bool> read_layer_types(const FieldReader& config, std::int32_t num_layers) {
  const auto count = static_cast<std::size_t>(num_layers);
  std::vector<bool> is_sliding(count);
  const auto types = config.texts("layer_types", kMaxLayers);
  const std::int64_t first_sliding = config.integer("max_window_layers", 0, kMaxLayers).value_or(28);
  if (types && types->size() != count) {
    config.refuse("layer_types", "a list of num_hidden_layers, " + std::to_string(num_layers) + ", strings");
  }
  for (std::size_t l = 0; l < count; ++l) {
    if (!types) {
      is_sliding[l] = static_cast<std::int64_t>(l) >= first_sliding;
    } else if ((*types)[l] == "sliding_attention" || (*types)[l] == "full_attention") {
      is_sliding[l] = (*types)[l] == "sliding_attention";
    } else {
      throw Error(Code::kUnsupported, config.where() + ": layer type \"" + (*types)[l].substr(0, 40) +
                                          "\" is not known; known are full_attention and sliding_attention");
    }
  }
  return is_sliding;
}

void read_window(const FieldReader& config, const Defaults& defaults, ModelConfig& model) {
  if (defaults.sliding_window == 0) return;
  const bool is_mistral = model.architecture == Architecture::kMistral;
  const std::int64_t fallback = config.mentions("sliding_window") ? 0 : defaults.sliding_window;
  const auto window =
      static_cast<std::int32_t>(config.integer("sliding_window", 1, kMaxPosition).value_or(fallback));
  if (is_mistral) {
    model.sliding_window = window;
    return;
  }
  const std::vector<bool> is_sliding = read_layer_types(config, model.num_layers);
  const bool any = std::find(is_sliding.begin(), is_sliding.end(), true) != is_sliding.end();
  const bool all = std::find(is_sliding.begin(), is_sliding.end(), false) == is_sliding.end();
  if (!config.flag("use_sliding_window").value_or(false) || !any) return;
  model.sliding_window = window;
  if (window > 0 && !all) model.layer_is_sliding = is_sliding;
}

void read_ids(const FieldReader& config, const FieldReader& generation, const Defaults& defaults,
              ModelConfig& model) {
  const FieldReader& ends = generation.has("eos_token_id") ? generation : config;
  model.end_ids = ends.ids("eos_token_id", kMaxEndIds);
  if (!ends.mentions("eos_token_id") && defaults.end_id >= 0) model.end_ids = {defaults.end_id};
  const FieldReader& starts = generation.has("bos_token_id") ? generation : config;
  const auto bos = starts.ids("bos_token_id", kMaxEndIds);
  if (!bos.empty()) model.bos_id = bos[0];
  if (!starts.mentions("bos_token_id") && defaults.bos_id >= 0) model.bos_id = defaults.bos_id;
}

void read_sampling(const FieldReader& generation, ModelConfig& model) {
  model.temperature = generation.number("temperature", 0, 100);
  model.top_p = generation.number("top_p", 0, 1);
  model.min_p = generation.number("min_p", 0, 1);
  model.repetition_penalty = generation.number("repetition_penalty", 1e-6, 1000);
  if (const auto top_k = generation.integer("top_k", -1, kMaxVocab))
    model.top_k = static_cast<std::int32_t>(*top_k);
}

Json read_json(const ModelFolder& folder, const std::string& name) {
  try {
    return parse_json(folder.read_text(name, kMaxConfigBytes), folder.path_of(name).string());
  } catch (const Error& error) {
    if (error.code() == Code::kInvalidArgument) throw Error(Code::kCorrupt, error.what());
    throw;
  }
}

}  // namespace

std::string known_architectures() {
  std::vector<std::string> names;
  for (const Defaults& row : kDefaults) names.emplace_back(row.model_type);
  return join(names, ", ");
}

ModelConfig ModelConfig::parse(const Json& config, const Json& generation_config) {
  static const Json kNone = Json::object();
  const FieldReader fields(config, "config.json");
  const FieldReader generation(generation_config.is_null() ? kNone : generation_config,
                               "generation_config.json");
  const Defaults& defaults = defaults_of(fields);
  refuse_quantized(fields);
  ModelConfig model;
  model.architecture = defaults.architecture;
  model.model_type = defaults.model_type;
  model.torch_dtype = fields.text("dtype").value_or(fields.text("torch_dtype").value_or(""));
  read_dimensions(fields, defaults, model);
  read_block(fields, defaults, model);
  read_window(fields, defaults, model);
  model.rope = read_rope(fields, model);
  read_ids(fields, generation, defaults, model);
  read_sampling(generation, model);
  model.raw = config;
  model.raw_generation = generation_config;
  return model;
}

ModelConfig ModelConfig::load(const std::filesystem::path& path) {
  const ModelFolder folder(path);
  if (!folder.contains("config.json")) {
    throw Error(Code::kNotFound,
                path.string() + ": no config.json, so this is not a Hugging Face model folder");
  }
  const Json config = read_json(folder, "config.json");
  const Json generation =
      folder.contains("generation_config.json") ? read_json(folder, "generation_config.json") : Json();
  try {
    return parse(config, generation);
  } catch (const Error& error) {
    throw Error(error.code(), path.string() + "/" + error.what());
  }
}

}  // namespace tandem::checkpoint
