#include "tandem/model/weights.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "tandem/base/error.h"

namespace tandem::model {
namespace {

namespace fs = std::filesystem;

/// A folder with a Llama of one layer, H 16, Q 4, K 2, D 4, F 24, V 32; every tensor is random and known.
class Weights : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / ("tandem_weights_" + std::to_string(::getpid()));
    fs::create_directories(folder_);
    std::ofstream(folder_ / "config.json")
        << R"({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "num_hidden_layers": 1, "hidden_size": 16,
               "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 24, "vocab_size": 32,
               "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "hidden_act": "silu", "torch_dtype": "float32"})";
    const std::string layer = "model.layers.0.";
    add("model.embed_tokens.weight", {32, 16});
    add(layer + "self_attn.q_proj.weight", {16, 16});
    add(layer + "self_attn.k_proj.weight", {8, 16});
    add(layer + "self_attn.v_proj.weight", {8, 16});
    add(layer + "self_attn.o_proj.weight", {16, 16});
    add(layer + "mlp.gate_proj.weight", {24, 16});
    add(layer + "mlp.up_proj.weight", {24, 16});
    add(layer + "mlp.down_proj.weight", {16, 24});
    for (const char* norm : {"model.layers.0.input_layernorm.weight", "model.layers.0.post_attention_layernorm.weight",
                             "model.norm.weight"}) {
      add(norm, {16});
    }
    add("lm_head.weight", {32, 16});
    write();
  }
  void TearDown() override { fs::remove_all(folder_); }

  void add(const std::string& name, std::vector<std::int64_t> shape) { tensors_[name] = at::randn(shape); }

  void write() {
    std::vector<checkpoint::TensorInfo> infos;
    for (const auto& [name, tensor] : tensors_) {
      infos.push_back({.name = name, .dtype = checkpoint::Dtype::kF32, .shape = tensor.sizes().vec(),
                       .size_bytes = tensor.nbytes()});
    }
    infos = checkpoint::write_safetensors_header(folder_ / "model.safetensors", infos);
    std::fstream file(folder_ / "model.safetensors", std::ios::in | std::ios::out | std::ios::binary);
    for (const auto& info : infos) {
      file.seekp(static_cast<std::streamoff>(info.offset));
      file.write(static_cast<const char*>(tensors_.at(info.name).data_ptr()),
                 static_cast<std::streamsize>(info.size_bytes));
    }
  }

  checkpoint::Share whole() const { return {.first_layer = 0, .end_layer = 1, .embedding = true, .head = true}; }

  fs::path folder_;
  std::map<std::string, at::Tensor> tensors_;
};

TEST_F(Weights, stacks_projections_in_the_order_that_was_asked_for) {
  const auto checkpoint = checkpoint::Checkpoint::open(folder_);
  WeightLoader load(checkpoint, whole(), std::nullopt, at::kCPU, {});
  const std::string attention = "model.layers.0.self_attn.";
  const Linear qkv = load.linear({attention + "q_proj", attention + "k_proj", attention + "v_proj"}, Bias::kNone);
  EXPECT_TRUE(qkv.weight.equal(at::cat({tensors_.at(attention + "q_proj.weight"), tensors_.at(attention + "k_proj.weight"),
                                        tensors_.at(attention + "v_proj.weight")})));
  EXPECT_FALSE(qkv.bias.defined());
  EXPECT_EQ(load.held_bytes(), 32u * 16 * 4);
}

TEST_F(Weights, converts_matrices_and_keeps_norms_in_f32) {
  const auto checkpoint = checkpoint::Checkpoint::open(folder_);
  WeightLoader load(checkpoint, whole(), at::kBFloat16, at::kCPU, {});
  EXPECT_TRUE(load.matrix("lm_head.weight").equal(tensors_.at("lm_head.weight").to(at::kBFloat16)));
  EXPECT_TRUE(load.norm("model.norm", 1e-5).weight.equal(tensors_.at("model.norm.weight")));
}

TEST_F(Weights, names_the_tensor_that_is_missing) {
  const auto checkpoint = checkpoint::Checkpoint::open(folder_);
  WeightLoader load(checkpoint, whole(), std::nullopt, at::kCPU, {});
  try {
    load.matrix("model.layers.9.nothing");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::kCorrupt);
    EXPECT_NE(std::string(error.what()).find("model.layers.9.nothing"), std::string::npos);
  }
}

TEST_F(Weights, refuse_to_stack_matrices_of_different_widths) {
  const auto checkpoint = checkpoint::Checkpoint::open(folder_);
  WeightLoader load(checkpoint, whole(), std::nullopt, at::kCPU, {});
  EXPECT_THROW(load.linear({"model.layers.0.mlp.up_proj", "model.layers.0.mlp.down_proj"}, Bias::kNone), Error);
}

TEST_F(Weights, loading_tells_its_progress_up_to_the_whole_share) {
  std::uint64_t last = 0, total = 0;
  const auto checkpoint = checkpoint::Checkpoint::open(folder_);
  const auto model = load_model(checkpoint, whole(), {}, [&](std::uint64_t done, std::uint64_t of) {
    EXPECT_GT(done, last);
    last = done;
    total = of;
  });
  std::uint64_t stored = 0;
  for (const auto& [name, tensor] : tensors_) stored += tensor.nbytes();
  EXPECT_EQ(last, stored);
  EXPECT_EQ(total, stored);
  EXPECT_EQ(model->weight_bytes(), stored);
  EXPECT_EQ(model->kv_block_bytes(16), 2u * 16 * 2 * 4 * 4);
}

TEST_F(Weights, a_model_forgets_its_keys_when_kv_is_allocated_again_and_refuses_ids_it_has_not) {
  const auto model = load_model(checkpoint::Checkpoint::open(folder_), whole(), {}, {});
  model->allocate_kv(4, 2);
  const std::vector<step::BlockId> table = {3, 0};
  const auto batch_of = [&](std::vector<step::TokenId> ids) {
    const auto rows = static_cast<std::int64_t>(ids.size());
    return Batch{.ids = std::move(ids), .slices = {{.num_rows = rows, .block_table = table}}};
  };
  const at::Tensor before = model->forward(batch_of({5, 6, 7}), {});
  model->allocate_kv(8, 2);
  EXPECT_TRUE(model->forward(batch_of({5, 6, 7}), {}).equal(before));
  EXPECT_EQ(model->logits(model->final_norm(before.narrow(0, 2, 1))).sizes(), (std::vector<std::int64_t>{1, 32}));
  EXPECT_EQ(model->forward({}, {}).sizes(), (std::vector<std::int64_t>{0, 16}));
  EXPECT_THROW(model->forward(batch_of({5, 32}), {}), Error);
  EXPECT_THROW(model->forward(batch_of({-1}), {}), Error);
}

}  // namespace
}  // namespace tandem::model
