#include "tandem/checkpoint/needed_tensors.h"

namespace tandem::checkpoint {
namespace {

/// Collects names under one prefix.
class Collector {
 public:
  explicit Collector(std::string prefix) : prefix_(std::move(prefix)) {}
  void vector(const std::string& name, std::int64_t size) { tensors_.push_back({prefix_ + name, {size}}); }
  /// y = W x + b; W: [out, in].
  void linear(const std::string& name, std::int64_t out, std::int64_t in, bool has_bias) {
    tensors_.push_back({prefix_ + name + ".weight", {out, in}});
    if (has_bias) vector(name + ".bias", out);
  }
  std::vector<NeededTensor> take() { return std::move(tensors_); }

 private:
  std::string prefix_;
  std::vector<NeededTensor> tensors_;
};

void collect_attention(const ModelConfig& config, const std::string& output_name, Collector& layer) {
  const std::int64_t queries = std::int64_t{config.num_heads} * config.head_dim;
  const std::int64_t keys = std::int64_t{config.num_kv_heads} * config.head_dim;
  layer.linear("self_attn.q_proj", queries, config.hidden_size, config.attention_bias);
  layer.linear("self_attn.k_proj", keys, config.hidden_size, config.attention_bias);
  layer.linear("self_attn.v_proj", keys, config.hidden_size, config.attention_bias);
  layer.linear(output_name, config.hidden_size, queries, config.output_bias);
  if (config.qk_norm) {
    layer.vector("self_attn.q_norm.weight", config.head_dim);
    layer.vector("self_attn.k_norm.weight", config.head_dim);
  }
}

}  // namespace

NeededTensor needed_embedding(const ModelConfig& config) {
  return {"model.embed_tokens.weight", {config.vocab_size, config.hidden_size}};
}

std::vector<NeededTensor> needed_layer(const ModelConfig& config, std::int32_t index) {
  const std::int64_t hidden = config.hidden_size, ffn = config.ffn_size;
  Collector layer("model.layers." + std::to_string(index) + ".");
  if (config.architecture == Architecture::kPhi) {
    collect_attention(config, "self_attn.dense", layer);
    layer.vector("input_layernorm.weight", hidden);
    layer.vector("input_layernorm.bias", hidden);
    layer.linear("mlp.fc1", ffn, hidden, config.mlp_bias);
    layer.linear("mlp.fc2", hidden, ffn, config.mlp_bias);
    return layer.take();
  }
  collect_attention(config, "self_attn.o_proj", layer);
  layer.vector("input_layernorm.weight", hidden);
  layer.vector("post_attention_layernorm.weight", hidden);
  layer.linear("mlp.gate_proj", ffn, hidden, config.mlp_bias);
  layer.linear("mlp.up_proj", ffn, hidden, config.mlp_bias);
  layer.linear("mlp.down_proj", hidden, ffn, config.mlp_bias);
  return layer.take();
}

std::vector<NeededTensor> needed_head(const ModelConfig& config) {
  const bool is_phi = config.architecture == Architecture::kPhi;
  Collector head("");
  head.vector(is_phi ? "model.final_layernorm.weight" : "model.norm.weight", config.hidden_size);
  if (is_phi) head.vector("model.final_layernorm.bias", config.hidden_size);
  std::vector<NeededTensor> needed = head.take();
  const NeededTensor embedding = needed_embedding(config);
  needed.push_back(config.tie_embeddings ? embedding : NeededTensor{"lm_head.weight", embedding.shape});
  if (is_phi) needed.push_back({"lm_head.bias", {config.vocab_size}});
  return needed;
}

}  // namespace tandem::checkpoint
