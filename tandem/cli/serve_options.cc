#include "tandem/cli/serve_options.h"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <fstream>

#include "tandem/base/error.h"
#include "tandem/base/strings.h"

namespace tandem::cli {
namespace {

std::int32_t positive(const std::string& text, const std::string& flag, const std::string& whole) {
  const auto number = parse_int(text);
  if (!number || *number < 1 || *number > 4096) {
    throw Error(Code::kInvalidArgument, flag + " " + whole + ": \"" + text + "\" is not a count between 1 and 4096");
  }
  return static_cast<std::int32_t>(*number);
}

void add_cluster_options(CLI::App& verb, ServeOptions& options) {
  verb.add_option("--local", options.local, "ranks on this machine")->check(CLI::Range(1, 64));
  verb.add_option("--nodes", options.nodes, "machines that compute, this one included unless --no-local-rank: N, or N..M");
  verb.add_flag("--no-local-rank", options.no_local_rank, "this machine answers, others compute");
  verb.add_option("--link-port", options.link_port, "port on which other machines join")->capture_default_str();
  verb.add_option("--split", options.split, "layers of each rank, such as 12,20 (default: automatic)");
  verb.add_option("--device", options.machine.device, "auto, cpu, mps or cuda")
      ->check(CLI::IsMember({"auto", "cpu", "mps", "cuda"}));
}

void add_model_options(CLI::App& verb, ServeOptions& options) {
  verb.add_option("--dtype", options.dtype, "weights: auto, bf16, f16 or f32")
      ->check(CLI::IsMember({"auto", "bf16", "f16", "f32"}));
  verb.add_option("--kv-dtype", options.kv_dtype, "KV: auto (as the weights), bf16, f16 or f32")
      ->check(CLI::IsMember({"auto", "bf16", "f16", "f32"}));
  verb.add_option("--ops", options.ops, "auto (own kernels on a CPU) or aten (libtorch alone)")
      ->check(CLI::IsMember({"auto", "aten"}));
  verb.add_option("--max-model-len", options.max_model_len, "context in tokens, such as 4096 or 32k (default: the model's)");
  verb.add_option("--max-num-seqs", options.max_num_seqs, "sequences that run at once")->check(CLI::Range(1, 4096));
  verb.add_option("--max-queue", options.max_queue, "requests that may wait; more get 429")->check(CLI::Range(1, 1 << 20));
  verb.add_option("--chat-template", options.chat_template, "a Jinja file, a built-in name, or none");
}

void add_api_options(CLI::App& verb, ServeOptions& options) {
  verb.add_option("--host", options.host, "address of the API (default: 127.0.0.1 and ::1)");
  verb.add_option("--port", options.port, "port of the API")->capture_default_str();
  verb.add_option("--api-key", options.api_keys, "a key that clients must send (visible in the process list)");
  verb.add_option("--api-key-file", options.api_key_file, "file with a key a line");
  verb.add_flag("--no-auth", options.no_auth, "allow another address than the loopback without a key");
  verb.add_option("--served-model-name", options.served_model_names, "names of the model for clients, the first is shown")
      ->delimiter(',');
  verb.add_option("--reasoning-field", options.reasoning_field, "where <think> text goes")
      ->check(CLI::IsMember({"reasoning_content", "reasoning", "both"}));
  verb.add_option("--drain", options.drain_s, "seconds that answers in flight may take after SIGTERM")->capture_default_str();
}

}  // namespace

void add_serve_options(CLI::App& verb, ServeOptions& options) {
  verb.add_option("model", options.model, "a folder, org/name in the Hugging Face cache, or demo")->envname("MODEL_NAME");
  add_api_options(verb, options);
  add_cluster_options(verb, options);
  add_model_options(verb, options);
  add_machine_options(verb, options.machine);
}

NodeCount parse_nodes(const std::string& text) {
  if (text.empty()) return {};
  const std::size_t dots = text.find("..");
  if (dots == std::string::npos) {
    const std::int32_t count = positive(text, "--nodes", text);
    return {count, count};
  }
  const NodeCount nodes{positive(text.substr(0, dots), "--nodes", text), positive(text.substr(dots + 2), "--nodes", text)};
  if (nodes.max < nodes.min) throw Error(Code::kInvalidArgument, "--nodes " + text + ": the second number is the larger one");
  return nodes;
}

std::vector<std::int32_t> parse_split(const std::string& text) {
  std::vector<std::int32_t> layers;
  if (text.empty()) return layers;
  for (const std::string& part : split(text, ',')) layers.push_back(positive(std::string(trim(part)), "--split", text));
  return layers;
}

std::int32_t parse_model_len(const std::string& text) {
  if (text.empty()) return 0;
  const std::uint64_t tokens = parse_size(text, "--max-model-len");
  if (tokens < 16 || tokens > (1u << 24)) {
    throw Error(Code::kInvalidArgument, "--max-model-len " + text + ": between 16 and 16,777,216 tokens");
  }
  return static_cast<std::int32_t>(tokens);
}

bool is_loopback_host(const std::string& host) {
  return host.empty() || host == "localhost" || host == "::1" || host == "[::1]" || host.rfind("127.", 0) == 0;
}

std::vector<std::string> collect_api_keys(const ServeOptions& options) {
  std::vector<std::string> keys;
  const auto add = [&](std::string_view key) {
    if (!trim(key).empty()) keys.emplace_back(trim(key));
  };
  for (const std::string& key : options.api_keys) add(key);
  if (!options.api_key_file.empty()) {
    std::ifstream in(options.api_key_file);
    if (!in) throw Error(Code::kInvalidArgument, "--api-key-file " + options.api_key_file + " cannot be read");
    for (std::string line; std::getline(in, line);) add(line);
    if (keys.empty()) throw Error(Code::kInvalidArgument, "--api-key-file " + options.api_key_file + " holds no key");
  }
  if (const char* key = std::getenv("TANDEM_API_KEY")) add(key);
  if (keys.empty() && !is_loopback_host(options.host) && !options.no_auth) {
    throw Error(Code::kInvalidArgument, "--host " + options.host + " lets other machines in: give --api-key-file FILE or set "
                                        "TANDEM_API_KEY, or say --no-auth if everyone there may use it");
  }
  return keys;
}

}  // namespace tandem::cli
