#include "tandem/checkpoint/checkpoint.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <functional>
#include <tuple>

#include "tandem/checkpoint/testing/model_fixture.h"

namespace tandem::checkpoint {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CheckpointTest : public ModelFixture {
 protected:
  Checkpoint open() { return Checkpoint::open(folder_); }
  void write_config() { write(folder_ / "config.json", small_config().dump()); }
  /// The message with which a folder of this one file is refused.
  std::string refusal_of_file(const std::string& bytes) {
    write_config();
    write(folder_ / "model.safetensors", bytes);
    return error_of(Code::kCorrupt, [&] { open(); });
  }
  std::string refusal_of(const std::string& header, std::size_t data_bytes = 8) {
    return refusal_of_file(safetensors(header, std::string(data_bytes, 'x')));
  }
  static std::vector<std::string> names_of(const std::vector<TensorInfo>& tensors) {
    std::vector<std::string> names;
    for (const TensorInfo& tensor : tensors) names.push_back(tensor.name);
    return names;
  }
};

TEST_F(CheckpointTest, reads_tensors_by_name_and_their_bytes) {
  write_config();
  write(
      folder_ / "model.safetensors",
      safetensors(
          R"({"__metadata__":{"format":"pt"},"b":{"dtype":"BF16","shape":[2],"data_offsets":[8,12]},)"
          R"("a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},"empty":{"dtype":"F16","shape":[0,3],"data_offsets":[12,12]}}  )",
          "01234567abcd"));
  const Checkpoint checkpoint = open();
  EXPECT_THAT(names_of(checkpoint.tensors()), ElementsAre("a", "b", "empty"));
  const TensorInfo& b = *checkpoint.find("b");
  EXPECT_EQ(b.dtype, Dtype::kBF16);
  const auto bytes = checkpoint.bytes(b);
  EXPECT_EQ(std::string(bytes.begin(), bytes.end()), "abcd");
  std::uint8_t part[2];
  checkpoint.read(b, 1, part);
  EXPECT_EQ(part[0], 'b');
  error_of(Code::kInvalidArgument, [&] { checkpoint.read(b, 3, part); });
  EXPECT_EQ(checkpoint.find("c"), nullptr);
}

TEST_F(CheckpointTest, slices_hold_what_their_share_needs_and_nothing_else) {
  write_model(small_config());
  const Checkpoint checkpoint = open();
  EXPECT_THAT(names_of(checkpoint.slice({.end_layer = 0, .embedding = true})),
              ElementsAre("model.embed_tokens.weight"));
  EXPECT_THAT(names_of(checkpoint.slice({.first_layer = 3, .end_layer = 3, .head = true})),
              ElementsAre("lm_head.weight", "model.norm.weight"));
  const auto layer = checkpoint.slice({.first_layer = 1, .end_layer = 2});
  EXPECT_EQ(layer.size(), 9u);
  for (const TensorInfo& tensor : layer)
    EXPECT_EQ(tensor.name.rfind("model.layers.1.", 0), 0u) << tensor.name;
  EXPECT_EQ(checkpoint.slice({.end_layer = 3, .embedding = true, .head = true}).size(),
            checkpoint.tensors().size());
}

TEST_F(CheckpointTest, a_share_outside_the_model_is_an_error_of_the_caller) {
  write_model(small_config());
  const Checkpoint checkpoint = open();
  error_of(Code::kInvalidArgument, [&] { checkpoint.slice({.first_layer = 0, .end_layer = 4}); });
  error_of(Code::kInvalidArgument, [&] { checkpoint.slice({.first_layer = 2, .end_layer = 1}); });
  error_of(Code::kUnsupported, [&] { checkpoint.slice({.end_layer = 1, .num_shards = 2}); });
}

TEST_F(CheckpointTest, share_bytes_add_up_to_the_file) {
  write_model(small_config());
  const Checkpoint checkpoint = open();
  const ShareBytes all = share_bytes(checkpoint, {.end_layer = 3, .embedding = true, .head = true});
  EXPECT_EQ(all.embedding, 40u * 16 * 4);
  EXPECT_EQ(all.head, (40u * 16 + 16) * 4);
  const ShareBytes first = share_bytes(checkpoint, {.end_layer = 1, .embedding = true});
  EXPECT_EQ(first.layers * 3, all.layers);
}

TEST_F(CheckpointTest, a_tied_head_is_the_embedding_counted_once) {
  Json config = small_config();
  config["tie_word_embeddings"] = true;
  write_model(config);
  const Checkpoint checkpoint = open();
  EXPECT_THAT(names_of(checkpoint.slice({.first_layer = 3, .end_layer = 3, .head = true})),
              ElementsAre("model.embed_tokens.weight", "model.norm.weight"));
  EXPECT_EQ(share_bytes(checkpoint, {.end_layer = 3, .embedding = true, .head = true}).head, 16u * 4);
  EXPECT_EQ(share_bytes(checkpoint, {.first_layer = 3, .end_layer = 3, .head = true}).head,
            (40u * 16 + 16) * 4);
}

TEST_F(CheckpointTest, weights_that_differ_are_not_tied_whatever_the_config_says) {
  Json config = small_config();
  write_model(config);    // with an lm_head of its own
  config["tie_word_embeddings"] = true;
  write(folder_ / "config.json", config.dump());
  EXPECT_FALSE(open().config().tie_embeddings);
  const Checkpoint checkpoint = open();
  const TensorInfo head = *checkpoint.find("lm_head.weight"),
                   embedding = *checkpoint.find("model.embed_tokens.weight");
  const auto bytes = checkpoint.bytes(embedding);
  const std::string copy(bytes.begin(), bytes.end());
  std::fstream file(folder_ / "model.safetensors", std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(head.offset));
  file << copy;
  file.close();
  EXPECT_TRUE(open().config().tie_embeddings);
}

TEST_F(CheckpointTest, a_tensor_that_the_share_needs_must_be_there_in_its_shape) {
  write_model(small_config());
  Json config = small_config();
  config["intermediate_size"] = 25;
  write(folder_ / "config.json", config.dump());
  const std::string message = error_of(Code::kCorrupt, [&] { open().slice({.end_layer = 1}); });
  EXPECT_THAT(message, HasSubstr("model.safetensors: tensor model.layers.0.mlp.gate_proj.weight: shape [24, "
                                 "16], config.json says [25, 16]"));
  config["attention_bias"] = true;
  write(folder_ / "config.json", config.dump());
  EXPECT_THAT(error_of(Code::kCorrupt, [&] { open().slice({.end_layer = 1}); }),
              HasSubstr("q_proj.bias: missing"));
}

TEST_F(CheckpointTest, a_folder_with_one_shares_tensors_serves_that_share) {
  const ModelConfig config = ModelConfig::parse(small_config(), Json());
  write_config();
  write(folder_ / "model.safetensors", packed_file(needed_layer(config, 2)));
  EXPECT_EQ(open().slice({.first_layer = 2, .end_layer = 3}).size(), 9u);
  error_of(Code::kCorrupt, [&] { open().slice({.first_layer = 1, .end_layer = 3}); });
}

TEST_F(CheckpointTest, tensors_of_other_dtypes_matter_only_when_needed) {
  const std::string header = R"({"x.inv_freq":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},)"
                             R"("model.norm.weight":{"dtype":"F8_E4M3","shape":[16],"data_offsets":[8,24]}})";
  write_config();
  write(folder_ / "model.safetensors", safetensors(header, std::string(24, 'x')));
  EXPECT_TRUE(open().tensors().empty());
  const std::string message =
      error_of(Code::kUnsupported, [&] { open().slice({.first_layer = 3, .end_layer = 3, .head = true}); });
  EXPECT_THAT(message, HasSubstr("tensor model.norm.weight: dtype F8_E4M3 is not read"));
}

TEST_F(CheckpointTest, malformed_headers_are_refused_with_file_and_reason) {
  const auto tensor = [](const std::string& fields) { return "{\"t\":{" + fields + "}}"; };
  const std::pair<std::string, std::string> table[] = {
      {"", "header of 0 bytes"},
      {"[]", "a list in an unexpected place"},
      {"\"x\" ", "a string in an unexpected place"},
      {"17  ", "a number in an unexpected place"},
      {"{\"t\":5}", "a number in an unexpected place"},
      {"{\"t\":null}", "null"},
      {"{\"t\":{}}", "needs dtype, shape"},
      {"{ ", "not valid JSON"},
      {"{} {}", "not valid JSON"},
      {"{\"t\":[[]]}", "a list"},
      {tensor(R"("dtype":"F32","shape":[2],"data_offsets":[0,8]})"), "not valid JSON"},
      {tensor(R"("dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8])"), "dtype stands twice"},
      {tensor(R"("dtype":"F32","shape":[2],"shape":[2],"data_offsets":[0,8])"), "shape stands twice"},
      {tensor(R"("dtype":"Q4","shape":[2],"data_offsets":[0,8])"), "dtype \"Q4\" is not known"},
      {tensor(R"("dtype":"F32","shape":[3],"data_offsets":[0,8])"), "has 8 bytes; shape and dtype need 12"},
      {tensor(R"("dtype":"F32","shape":[-2],"data_offsets":[0,8])"), "a negative number"},
      {tensor(R"("dtype":"F32","shape":[2.0],"data_offsets":[0,8])"), "a fraction"},
      {tensor(R"("dtype":"F32","shape":[[2]],"data_offsets":[0,8])"), "a list"},
      {tensor(R"("dtype":"F32","shape":[1,1,1,1,1,1,1,1,2],"data_offsets":[0,8])"), "shape is too long"},
      {tensor(R"("dtype":"F32","shape":[2],"data_offsets":[0,8,9])"), "data_offsets is too long"},
      {tensor(R"("dtype":"F32","shape":[2],"data_offsets":[0])"), "two data_offsets"},
      {tensor(R"("dtype":"F32","shape":[2],"data_offsets":[8,0])"), "end before they begin"},
      {tensor(R"("dtype":"F32","shape":[2],"data_offsets":[-8,0])"), "a negative number"},
      {tensor(R"("dtype":"F32","shape":[4],"data_offsets":[0,16])"), "the file has been cut"},
      {tensor(R"("dtype":"F32","shape":[1],"data_offsets":[0,4])"), "4 bytes after the last tensor"},
      {tensor(R"("dtype":"F32","shape":[1],"data_offsets":[4,8])"), "a gap of 4 bytes"},
      {tensor(R"("dtype":"F32","shape":[1099511627776,1099511627776],"data_offsets":[0,8])"),
       "more than any file holds"},
      {tensor(R"("dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0])"), "a dimension of"},
      {tensor(R"("dtype":"F32","shape":[281474976710656,281474976710656,0],"data_offsets":[0,0])"),
       "more than any file holds"},
      {tensor(R"("dtype":"F32","shape":[18446744073709551616],"data_offsets":[0,8])"), "a fraction"},
      {tensor(R"("dtype":"F4","shape":[17],"data_offsets":[0,8])"), "shape and dtype need"},
      {R"({"t":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"t":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
       "stands twice"},
      {R"({"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"u":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
       "overlaps"},
      {R"({"":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", "name has 0"},
      {R"({"__metadata__":{"a":1}})", "a number"},
      {R"({"__metadata__":{"a":{}}})", "an object"},
      {std::string(5000, '['), "a list"},
      {"{\"t\":" + std::string(5000, '{'), "not valid JSON"},
      {"{\"\xff\":{}}", "not valid JSON"},
      {"{\"" + std::string(300, 'n') + "\":{}}", "more than 256 bytes"}};
  for (const auto& [header, reason] : table) {
    const std::string message = refusal_of(header);
    EXPECT_THAT(message, HasSubstr("model.safetensors")) << header;
    EXPECT_THAT(message, HasSubstr(reason)) << header;
  }
}

TEST_F(CheckpointTest, header_lengths_beyond_the_file_or_the_bound_are_refused) {
  EXPECT_THAT(refusal_of_file(""), HasSubstr("too short"));
  EXPECT_THAT(refusal_of_file("1234567"), HasSubstr("too short"));
  EXPECT_THAT(refusal_of_file(std::string("\x03\0\0\0\0\0\0\0{}", 10)), HasSubstr("header of 3 bytes"));
  EXPECT_THAT(refusal_of_file(std::string(8, '\xff') + "{}"),
              HasSubstr("header of 18446744073709551615 bytes"));
}

TEST_F(CheckpointTest, every_truncation_and_every_changed_byte_of_a_header_is_survived) {
  write_model(small_config());
  std::ifstream in(folder_ / "model.safetensors", std::ios::binary);
  const std::string good{std::istreambuf_iterator<char>(in), {}};
  const fs::path file = folder_ / "model.safetensors";
  std::fstream inside(file, std::ios::in | std::ios::out | std::ios::binary);
  for (std::streamoff at = 0; at < 1200; ++at) {
    inside.seekp(at);
    inside.put(static_cast<char>(good[at] ^ (1 << (at % 8)))).flush();
    try {
      open();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::kCorrupt) << error.what();
    }
    inside.seekp(at);
    inside.put(good[at]).flush();
  }
  EXPECT_EQ(open().slice({.end_layer = 3}).size(), 27u);
  for (std::size_t size = good.size(); size > 97;) {
    fs::resize_file(file, size -= 97);
    EXPECT_THAT(error_of(Code::kCorrupt, [&] { open(); }), HasSubstr("model.safetensors"));
  }
}

TEST_F(CheckpointTest, reads_shards_through_their_index) {
  const ModelConfig config = ModelConfig::parse(small_config(), Json());
  write_config();
  write(folder_ / "a.safetensors", packed_file(needed_layer(config, 0)));
  write(folder_ / "b.safetensors", packed_file(needed_head(config)));
  Json map;
  for (const auto& tensor : needed_layer(config, 0)) map[tensor.name] = "a.safetensors";
  for (const auto& tensor : needed_head(config)) map[tensor.name] = "b.safetensors";
  const fs::path index = folder_ / "model.safetensors.index.json";
  write(
      index,
      Json{{"metadata", {{"total_size", 1}, {"x", {1, {{"weight_map", "y"}}}}}}, {"weight_map", map}}.dump());
  EXPECT_EQ(open().files().size(), 2u);
  EXPECT_EQ(open().slice({.end_layer = 1, .head = true}).size(), 11u);
  map["model.norm.weight"] = "a.safetensors";
  write(index, Json{{"weight_map", map}}.dump());
  EXPECT_THAT(error_of(Code::kCorrupt, [&] { open(); }),
              HasSubstr("a.safetensors: tensor model.norm.weight is not in it"));
  map["model.norm.weight"] = "c.safetensors";
  write(index, Json{{"weight_map", map}}.dump());
  EXPECT_THAT(error_of(Code::kNotFound, [&] { open(); }), HasSubstr("c.safetensors"));
}

TEST_F(CheckpointTest, an_index_names_plain_files_of_its_folder_only) {
  write_config();
  write(root_ / "secret.safetensors", safetensors("{}", ""));
  for (const char* name :
       {"../secret.safetensors", "/etc/passwd", "..", ".", "", "sub/x.safetensors", "..\\x"}) {
    write(folder_ / "model.safetensors.index.json", Json{{"weight_map", {{"t", name}}}}.dump());
    EXPECT_THAT(error_of(Code::kCorrupt, [&] { open(); }), HasSubstr("only plain names")) << name;
  }
  for (const char* text :
       {"", "{}", "[]", R"({"weight_map":[]})", R"({"weight_map":{"t":1}})", R"({"weight_map":{"t":{}}})",
        R"({"weight_map":{"t":"a","t":"b"}})", R"({"weight_map":{},"weight_map":{}})"}) {
    write(folder_ / "model.safetensors.index.json", text);
    error_of(Code::kCorrupt, [&] { open(); });
  }
  write(folder_ / "model.safetensors.index.json", std::string(100'000, '['));
  error_of(Code::kCorrupt, [&] { open(); });
}

TEST_F(CheckpointTest, links_lead_only_to_the_folder_or_the_same_models_blobs) {
  write_model(small_config());
  const fs::path hub = root_ / "models--org--name";
  fs::create_directories(hub / "snapshots/abc");
  fs::create_directories(hub / "blobs");
  for (const char* name : {"config.json", "model.safetensors"}) {
    fs::rename(folder_ / name, hub / "blobs" / name);
    fs::create_symlink(fs::path("../../blobs") / name, hub / "snapshots/abc" / name);
    fs::create_symlink(hub / "blobs" / name, folder_ / name);
  }
  EXPECT_EQ(Checkpoint::open(hub / "snapshots/abc").slice({.end_layer = 3}).size(), 27u);
  EXPECT_THAT(error_of(Code::kCorrupt, [&] { open(); }),
              HasSubstr("config.json: a link that leads out of the model folder"));
  fs::remove(hub / "blobs/model.safetensors");
  EXPECT_THAT(error_of(Code::kNotFound, [&] { Checkpoint::open(hub / "snapshots/abc"); }),
              HasSubstr("download is incomplete"));
}

TEST_F(CheckpointTest, a_blobs_folder_that_is_a_link_leads_out) {
  write_model(small_config());
  const fs::path hub = root_ / "models--org--name";
  fs::create_directories(hub / "snapshots/abc");
  fs::create_directory_symlink(folder_, hub / "blobs");
  fs::create_symlink("../../blobs/config.json", hub / "snapshots/abc/config.json");
  EXPECT_THAT(error_of(Code::kCorrupt, [&] { Checkpoint::open(hub / "snapshots/abc"); }),
              HasSubstr("leads out"));
}

TEST_F(CheckpointTest, fifos_devices_and_folders_are_refused_without_waiting) {
  write_config();
  const fs::path file = folder_ / "model.safetensors";
  ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);
  EXPECT_THAT(error_of(Code::kCorrupt, [&] { open(); }), HasSubstr("not a regular file"));
  fs::remove(file);
  fs::create_directory(file);
  EXPECT_THAT(error_of(Code::kCorrupt, [&] { open(); }), HasSubstr("not a regular file"));
  fs::remove(file);
  fs::create_symlink("/dev/zero", file);
  EXPECT_THAT(error_of(Code::kCorrupt, [&] { open(); }), HasSubstr("leads out"));
  fs::remove(file);
  fs::create_symlink("model.safetensors", file);
  error_of(Code::kNotFound, [&] { open(); });
}

TEST_F(CheckpointTest, pickle_is_never_read_and_the_message_says_what_to_do) {
  write_config();
  EXPECT_THAT(error_of(Code::kNotFound, [&] { open(); }), HasSubstr("neither model.safetensors nor"));
  write(folder_ / "pytorch_model.bin", "x");
  const std::string message = error_of(Code::kUnsupported, [&] { open(); });
  EXPECT_THAT(message, HasSubstr("pickle"));
  EXPECT_THAT(message, HasSubstr("save_pretrained"));
  fs::remove(folder_ / "pytorch_model.bin");
  write(folder_ / "model-q4.gguf", "x");
  EXPECT_THAT(error_of(Code::kUnsupported, [&] { open(); }), HasSubstr("GGUF"));
}

TEST_F(CheckpointTest, a_file_that_shrinks_is_an_error_and_not_a_signal) {
  write_model(small_config());
  const Checkpoint checkpoint = open();
  const TensorInfo last = *checkpoint.find("model.norm.weight");
  ASSERT_EQ(::truncate((folder_ / "model.safetensors").c_str(), 4096), 0);
  EXPECT_THAT(error_of(Code::kCorrupt, [&] { checkpoint.bytes(last); }), HasSubstr("has become shorter"));
  std::uint8_t byte[1];
  EXPECT_THAT(error_of(Code::kCorrupt, [&] { checkpoint.read(last, 0, byte); }), HasSubstr("has been cut"));
}

TEST_F(CheckpointTest, structure_hashes_differ_with_config_names_and_shapes) {
  write_model(small_config());
  const Digest first = open().structure_hash();
  EXPECT_EQ(open().structure_hash(), first);
  Json config = small_config();
  config["rms_norm_eps"] = 1e-5;
  write(folder_ / "config.json", config.dump());
  EXPECT_NE(open().structure_hash(), first);
  write_model(small_config(41));
  write(folder_ / "config.json", small_config().dump());
  EXPECT_NE(open().structure_hash(), first);
}

TEST_F(CheckpointTest, shares_are_named_for_people) {
  EXPECT_EQ(to_string(Share{.end_layer = 10, .embedding = true}), "layers 0-9 + embedding");
  EXPECT_EQ(to_string(Share{.first_layer = 9, .end_layer = 10, .head = true}), "layer 9 + head");
}

/// Resident bytes at their highest so far.
std::int64_t peak_bytes() {
  rusage usage;
  ::getrusage(RUSAGE_SELF, &usage);
#ifdef __APPLE__
  return usage.ru_maxrss;
#else
  return usage.ru_maxrss * 1024;
#endif
}

TEST_F(CheckpointTest, hostile_headers_of_a_hundred_megabytes_cost_little_time_and_memory) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers take their own memory";
#endif
  // What the header begins with, what is repeated, and for how many bytes; zeros to the end cost no disk.
  // White space, strings and numbers are given up after 4 MiB, tensors after 65,536; metadata is read
  // through.
  constexpr std::uint64_t kLength = 99'000'000;
  int number = 0;
  const std::function<std::string()> next_tensor = [&] {
    return "\"t" + std::to_string(number++) + R"(":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},)";
  };
  std::string thousand_pairs;
  for (int i = 0; i < 1000; ++i) thousand_pairs += "\"a\":\"b\",";
  const auto repeat = [](const std::string& text) { return [text] { return text; }; };
  const std::tuple<std::string, std::function<std::string()>, std::uint64_t> kinds[] = {
      {"", repeat(std::string(4096, ' ')), 5 << 20},
      {"{\"", repeat(std::string(4096, ',')), 5 << 20},
      {"{\"t\":{\"shape\":[", repeat(std::string(4096, '1')), 5 << 20},
      {"{", next_tensor, 5 << 20},
      {R"({"__metadata__":{)", repeat(thousand_pairs), kLength}};
  write_config();
  const fs::path file = folder_ / "model.safetensors";
  for (const auto& [start, next, size] : kinds) {
    // Written through a stream: a copy in memory would hide what the reader takes.
    std::ofstream out(file, std::ios::binary);
    out.write(reinterpret_cast<const char*>(&kLength), 8);
    out << start;
    while (static_cast<std::uint64_t>(out.tellp()) < size) out << next();
    out.close();
    fs::resize_file(file, kLength + 8);
    const auto began = std::chrono::steady_clock::now();
    const std::int64_t before = peak_bytes();
    error_of(Code::kCorrupt, [&] { open(); });
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(5)) << start;
    EXPECT_LT(peak_bytes() - before, 64 << 20) << start;
  }
}

}  // namespace
}  // namespace tandem::checkpoint
