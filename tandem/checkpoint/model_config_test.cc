#include "tandem/checkpoint/model_config.h"

#include "tandem/checkpoint/testing/model_fixture.h"

namespace tandem::checkpoint {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Json with(Json config, const std::string& key, Json value) {
  config[key] = std::move(value);
  return config;
}

ModelConfig parse(const Json& config) { return ModelConfig::parse(config, Json()); }
Json llama() { return {{"model_type", "llama"}}; }

TEST(ModelConfig, absent_fields_take_the_defaults_of_their_architecture) {
  const ModelConfig config = parse(llama());
  EXPECT_EQ(config.num_layers, 32);
  EXPECT_EQ(config.num_kv_heads, 32);
  EXPECT_EQ(config.head_dim, 128);
  EXPECT_EQ(config.norm_eps, 1e-6);
  EXPECT_EQ(config.rope.rotary_dim, 128);
  EXPECT_THAT(config.end_ids, ElementsAre(2));
  EXPECT_EQ(parse({{"model_type", "mistral"}}).sliding_window, 4096);
  EXPECT_EQ(parse({{"model_type", "mistral"}}).num_kv_heads, 8);
  EXPECT_EQ(parse({{"model_type", "qwen3"}}).head_dim, 128);
  EXPECT_EQ(parse({{"model_type", "phi"}}).rope.rotary_dim, 32);
}

TEST(ModelConfig, an_explicit_null_is_not_an_absent_field) {
  EXPECT_EQ(parse({{"model_type", "mistral"}, {"sliding_window", nullptr}}).sliding_window, 0);
  EXPECT_EQ(parse({{"model_type", "mistral"}, {"num_key_value_heads", nullptr}}).num_kv_heads, 32);
  EXPECT_THAT(parse(with(llama(), "eos_token_id", nullptr)).end_ids, IsEmpty());
}

TEST(ModelConfig, biases_and_norms_follow_the_architecture) {
  const ModelConfig biased = parse(with(llama(), "attention_bias", true));
  EXPECT_TRUE(biased.attention_bias && biased.output_bias && !biased.mlp_bias);
  const ModelConfig qwen2 = parse({{"model_type", "qwen2"}});
  EXPECT_TRUE(qwen2.attention_bias && !qwen2.output_bias && !qwen2.qk_norm);
  EXPECT_TRUE(parse({{"model_type", "qwen3"}}).qk_norm);
  const ModelConfig phi = parse({{"model_type", "phi"}});
  EXPECT_TRUE(phi.parallel_block && phi.mlp_bias && phi.output_bias);
  EXPECT_EQ(phi.activation, Activation::kGeluTanh);
}

TEST(ModelConfig, reads_rope_in_its_old_and_its_new_form) {
  const Json scaling = {{"rope_type", "llama3"},
                        {"factor", 8.0},
                        {"low_freq_factor", 1.0},
                        {"high_freq_factor", 4.0},
                        {"original_max_position_embeddings", 8192}};
  Json old_form = with(with(llama(), "rope_theta", 500000.0), "rope_scaling", scaling);
  Json new_form = with(llama(), "rope_parameters", with(scaling, "rope_theta", 500000));
  for (const Json& config : {old_form, new_form}) {
    const RopeConfig rope = parse(config).rope;
    EXPECT_EQ(rope.type, RopeConfig::Type::kLlama3);
    EXPECT_EQ(rope.theta, 500000.0);
    EXPECT_EQ(rope.factor, 8.0);
    EXPECT_EQ(rope.original_max_position, 8192);
  }
}

TEST(ModelConfig, windows_of_qwen_count_only_when_asked_for) {
  Json config = {
      {"model_type", "qwen2"}, {"num_hidden_layers", 4}, {"sliding_window", 128}, {"max_window_layers", 2}};
  EXPECT_EQ(parse(config).sliding_window, 0);
  config["use_sliding_window"] = true;
  EXPECT_EQ(parse(config).sliding_window, 128);
  EXPECT_THAT(parse(config).layer_is_sliding, ElementsAre(false, false, true, true));
  config["layer_types"] =
      Json::array({"sliding_attention", "sliding_attention", "sliding_attention", "sliding_attention"});
  EXPECT_EQ(parse(config).sliding_window, 128);
  EXPECT_THAT(parse(config).layer_is_sliding, IsEmpty());
}

TEST(ModelConfig, generation_config_gives_end_tokens_and_sampling) {
  const Json generation = {{"eos_token_id", {5, 6, 7}},
                           {"temperature", 0.6},
                           {"top_p", 0.9},
                           {"top_k", 50},
                           {"repetition_penalty", 1.1}};
  const ModelConfig config = ModelConfig::parse(with(llama(), "eos_token_id", 3), generation);
  EXPECT_THAT(config.end_ids, ElementsAre(5, 6, 7));
  EXPECT_EQ(config.temperature, 0.6);
  EXPECT_EQ(config.top_k, 50);
  EXPECT_FALSE(config.min_p.has_value());
  EXPECT_THAT(ModelConfig::parse(with(llama(), "eos_token_id", 3), Json::object()).end_ids, ElementsAre(3));
}

TEST(ModelConfig, an_unknown_architecture_is_named_with_the_known_ones) {
  const std::string message = error_of(Code::kUnsupported, [] { parse({{"model_type", "mamba"}}); });
  EXPECT_THAT(message, HasSubstr("\"mamba\""));
  EXPECT_THAT(message, HasSubstr("llama, mistral, qwen2, qwen3, phi"));
  error_of(Code::kUnsupported, [] { parse(Json::object()); });
  EXPECT_EQ(parse({{"architectures", {"PhiForCausalLM"}}}).architecture, Architecture::kPhi);
}

TEST(ModelConfig, quantized_weights_are_refused_by_the_name_of_their_method) {
  for (const char* method : {"gptq", "awq", "fp8", "mxfp4", "bitsandbytes", "compressed-tensors"}) {
    const Json config = with(llama(), "quantization_config", {{"quant_method", method}});
    const std::string message = error_of(Code::kUnsupported, [&] { parse(config); });
    EXPECT_THAT(message, HasSubstr("\"" + std::string(method) + "\""));
    EXPECT_THAT(message, HasSubstr("bf16"));
  }
  const Json mlx = with(llama(), "quantization", {{"group_size", 64}, {"bits", 4}});
  EXPECT_THAT(error_of(Code::kUnsupported, [&] { parse(mlx); }), HasSubstr("\"mlx\""));
}

TEST(ModelConfig, every_number_out_of_range_is_refused_by_name_and_value) {
  const std::pair<const char*, Json> bad[] = {
      {"num_hidden_layers", 0},
      {"num_hidden_layers", 1025},
      {"num_hidden_layers", -1},
      {"num_hidden_layers", 2.5},
      {"num_hidden_layers", "32"},
      {"num_hidden_layers", 18446744073709551615u},
      {"hidden_size", 131073},
      {"hidden_size", 33},
      {"vocab_size", 4194305},
      {"intermediate_size", true},
      {"num_attention_heads", 4097},
      {"num_key_value_heads", 5},
      {"num_key_value_heads", 64},
      {"head_dim", 1025},
      {"head_dim", 7},
      {"max_position_embeddings", 0},
      {"rms_norm_eps", -1.0},
      {"rope_theta", 0},
      {"eos_token_id", -1},
      {"eos_token_id", Json::array({1, "x"})},
      {"tie_word_embeddings", "yes"},
      {"rope_scaling", 3},
      {"rope_scaling", Json{{"type", "linear"}}},
      {"rope_scaling", Json{{"type", "linear"}, {"factor", 0}}},
      {"rope_scaling", Json{{"type", "longrope"}, {"short_factor", {1.0}}, {"long_factor", {1.0}}}},
      {"hidden_act", 5}};
  for (const auto& [name, value] : bad) {
    const Json config = with(llama(), name, value);
    EXPECT_THAT(error_of(Code::kCorrupt, [&] { parse(config); }), HasSubstr("config.json"))
        << name << " " << value.dump();
  }
}

TEST(ModelConfig, what_is_understood_and_not_offered_is_unsupported) {
  for (const Json& config :
       {with(llama(), "hidden_act", "relu2"), with(llama(), "rope_scaling", {{"type", "mrope"}}),
        with(llama(), "partial_rotary_factor", 0.5),
        with(Json{{"model_type", "phi"}}, "qk_layernorm", true)}) {
    error_of(Code::kUnsupported, [&] { parse(config); });
  }
}

TEST(ModelConfig, a_config_that_is_no_object_is_refused) {
  for (const Json& config : {Json::array(), Json(3), Json("x")})
    error_of(Code::kCorrupt, [&] { parse(config); });
}

using ModelConfigFolder = ModelFixture;

TEST_F(ModelConfigFolder, messages_name_the_file) {
  EXPECT_THAT(error_of(Code::kNotFound, [&] { ModelConfig::load(folder_); }), HasSubstr("no config.json"));
  write(folder_ / "config.json", R"({"model_type": "llama", "hidden_size": -5})");
  const std::string message = error_of(Code::kCorrupt, [&] { ModelConfig::load(folder_); });
  EXPECT_THAT(message, HasSubstr((folder_ / "config.json").string()));
  EXPECT_THAT(message, HasSubstr("\"hidden_size\" is -5; must be a whole number from 1 to 131072"));
}

TEST_F(ModelConfigFolder, refuses_bad_deep_and_large_json) {
  for (const std::string& text :
       {std::string(), std::string("{"), std::string(100'000, '['), std::string("{\"a\": \"\xff\"}")}) {
    write(folder_ / "config.json", text);
    error_of(Code::kCorrupt, [&] { ModelConfig::load(folder_); });
  }
  write(folder_ / "config.json", "{\"model_type\": \"llama\"}" + std::string(2 << 20, ' '));
  EXPECT_THAT(error_of(Code::kCorrupt, [&] { ModelConfig::load(folder_); }), HasSubstr("at most 1.0 MiB"));
}

}  // namespace
}  // namespace tandem::checkpoint
