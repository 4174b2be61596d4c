// The stack: embedding, layers, final norm and head of one share, over its KV blocks. Which of them a rank has is its share;
// what a layer is, the architecture's file says.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/InferenceMode.h>

#include "tandem/base/error.h"
#include "tandem/base/strings.h"
#include "tandem/model/architecture.h"
#include "tandem/model/model.h"
#include "tandem/model/rope.h"

namespace tandem::model {
namespace {

/// nullopt: as stored.
std::optional<at::ScalarType> parse_dtype(const std::string& name, const char* flag) {
  if (name == "auto") return std::nullopt;
  if (name == "f32") return at::kFloat;
  if (name == "f16") return at::kHalf;
  if (name == "bf16") return at::kBFloat16;
  throw Error(Code::kInvalidArgument, std::string(flag) + " " + name + ": auto, bf16, f16 or f32");
}

at::Device parse_device(const std::string& name) {
  try {
    const at::Device device(name);
    at::empty({1}, at::TensorOptions().device(device));
    return device;
  } catch (const c10::Error& error) {
    throw Error(Code::kInvalidArgument,
                "--device " + name + " is not usable here: " + error.what_without_backtrace());
  }
}

class Transformer final : public Model {
 public:
  Transformer(const checkpoint::Checkpoint& checkpoint, const checkpoint::Share& share, const ModelOptions& options,
              const LoadProgress& progress)
      : config_(checkpoint.config()),
        share_(share),
        device_(parse_device(options.device)),
        ops_(make_ops(options.ops, device_)),
        rotary_(config_) {
    WeightLoader load(checkpoint, share, parse_dtype(options.dtype, "--dtype"), device_, progress);
    load_weights(load);
    weight_bytes_ = load.held_bytes();
    kv_shape_ = {.num_layers = share.end_layer - share.first_layer,
                 .num_kv_heads = config_.num_kv_heads,
                 .head_dim = config_.head_dim,
                 .dtype = parse_dtype(options.kv_dtype, "--kv-dtype")
                              .value_or(layers_.empty() ? at::kFloat : layers_[0]->dtype())};
  }

  const checkpoint::ModelConfig& config() const override { return config_; }
  const checkpoint::Share& share() const override { return share_; }
  std::uint64_t weight_bytes() const override { return weight_bytes_; }
  std::uint64_t kv_block_bytes(std::int32_t block_size) const override { return kv_shape_.block_bytes(block_size); }

  void allocate_kv(std::int32_t num_blocks, std::int32_t block_size) override {
    const c10::InferenceMode inference;
    kv_ = KvCache();  // the old pool goes before the new one comes
    kv_ = KvCache(kv_shape_, num_blocks, block_size, device_);
  }

  void copy_blocks(const std::vector<step::BlockCopy>& copies) override {
    const c10::InferenceMode inference;
    kv_.copy_blocks(copies);
  }

  at::Tensor forward(const Batch& batch, const at::Tensor& hidden) override {
    const c10::InferenceMode inference;
    at::init_num_threads();  // OpenMP counts threads for each calling thread, and another one may have loaded
    at::Tensor stream = share_.embedding ? embed(batch.ids) : hidden;
    const StepRows rows = place_rows(batch, stream.size(0), kv_.num_blocks(), kv_.block_size(), device_);
    const Rotation rotation = rotary_.rotate(rows, device_);
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      stream = layers_[l]->forward(
          stream, {.ops = *ops_, .rows = rows, .rotation = rotation, .kv = kv_.layer(l)});
    }
    return stream;
  }

  at::Tensor final_norm(const at::Tensor& rows) override {
    const c10::InferenceMode inference;
    return ops_->norm(rows, final_norm_);
  }

  at::Tensor logits(const at::Tensor& normed) override {
    const c10::InferenceMode inference;
    return ops_->linear(normed, head_);
  }

 private:
  void load_weights(WeightLoader& load) {
    const c10::InferenceMode inference;
    const ArchitectureParts& parts = parts_of(config_.architecture);
    if (share_.embedding) embedding_ = load.matrix(parts.embedding);
    for (std::int32_t l = share_.first_layer; l < share_.end_layer; ++l) layers_.push_back(parts.load_layer(load, l));
    if (!share_.head) return;
    final_norm_ = load.norm(parts.final_norm, config_.norm_eps, parts.norm_bias);
    if (!config_.tie_embeddings) {
      head_ = load.linear({parts.head}, parts.head_bias);
      return;
    }
    head_.weight = share_.embedding ? embedding_ : load.matrix(parts.embedding);
    if (parts.head_bias == Bias::kPresent) head_.bias = load.matrix(std::string(parts.head) + ".bias");
  }

  at::Tensor embed(const std::vector<step::TokenId>& ids) const {
    at::Tensor rows = at::empty({static_cast<std::int64_t>(ids.size())}, at::kLong);
    auto* to = rows.data_ptr<std::int64_t>();
    for (const step::TokenId id : ids) {
      if (id < 0 || id >= config_.vocab_size) {
        throw Error(Code::kInternal, format("batch: token id %d, the model has %d", id, config_.vocab_size));
      }
      *to++ = id;
    }
    return ops_->embed(embedding_, rows.to(device_));
  }

  const checkpoint::ModelConfig config_;
  const checkpoint::Share share_;
  const at::Device device_;
  const std::unique_ptr<Ops> ops_;
  const RotaryEmbedding rotary_;
  at::Tensor embedding_;                        // [V, H]; first rank
  std::vector<std::unique_ptr<Layer>> layers_;
  Norm final_norm_;                             // last rank
  Linear head_;                                 // [V, H]; last rank
  std::uint64_t weight_bytes_ = 0;
  KvShape kv_shape_;
  KvCache kv_;
};

}  // namespace

std::unique_ptr<Model> load_model(const checkpoint::Checkpoint& checkpoint, const checkpoint::Share& share,
                                  const ModelOptions& options, const LoadProgress& progress) {
  at::set_num_threads(options.num_threads);
  return std::make_unique<Transformer>(checkpoint, share, options, progress);
}

}  // namespace tandem::model
