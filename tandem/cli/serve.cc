// `tandem serve`: wires model, cluster, engine and API together, waits for a signal, drains.
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <functional>
#include <memory>
#include <utility>

#include "tandem/api/api.h"
#include "tandem/base/error.h"
#include "tandem/base/hash.h"
#include "tandem/base/log.h"
#include "tandem/base/strings.h"
#include "tandem/checkpoint/checkpoint.h"
#include "tandem/cli/exit_codes.h"
#include "tandem/cli/join.h"
#include "tandem/cli/serve_options.h"
#include "tandem/cli/signals.h"
#include "tandem/cli/verbs.h"
#include "tandem/cluster/cluster.h"
#include "tandem/cluster/stage_process.h"
#include "tandem/hub/hub.h"
#include "tandem/link/addresses.h"
#include "tandem/link/secret.h"
#include "tandem/text/chat_template.h"
#include "tandem/text/tokenizer.h"

namespace tandem::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using SteadyTime = std::chrono::steady_clock;

// The largest chunk of a step; what the planner reserves working memory for.
constexpr std::int32_t kMaxStepTokens = 2048;

struct LoadedModel {
  std::string name;
  std::string hub_name;   ///< org/name as it was asked for; "" for a folder, which other machines do not have
  checkpoint::Checkpoint checkpoint;
  std::shared_ptr<const text::Tokenizer> tokenizer;
  std::shared_ptr<const text::ChatTemplate> chat_template;
  bool has_builtin_template = false;
};

std::size_t bytes_of_dtype(const std::string& dtype) { return dtype == "auto" ? 0 : dtype == "f32" ? 4 : 2; }

std::size_t kv_value_bytes(const ServeOptions& options, const checkpoint::Checkpoint& checkpoint) {
  const std::string& dtype = options.kv_dtype != "auto" ? options.kv_dtype : options.dtype;
  if (dtype != "auto") return dtype == "f32" ? 4 : 2;
  const checkpoint::TensorInfo* weight = checkpoint.find("model.layers.0.self_attn.q_proj.weight");
  return weight == nullptr ? 2 : checkpoint::dtype_bytes(weight->dtype);
}

LoadedModel load(const ServeOptions& options) {
  if (options.model.empty()) {
    throw Error(Code::kInvalidArgument, "which model? For example: tandem serve demo, or tandem serve ./my-llama-folder");
  }
  const hub::LocalModel found = hub::resolve(options.model, hub::default_places());
  LoadedModel model{.name = found.name, .hub_name = found.commit.empty() ? "" : options.model, .checkpoint = checkpoint::Checkpoint::open(found.folder), .tokenizer = {}, .chat_template = {}};
  model.tokenizer = std::make_shared<text::Tokenizer>(text::Tokenizer::load(found.folder));
  const std::string& type = model.checkpoint.config().model_type;
  model.has_builtin_template = options.chat_template.empty() && text::ChatTemplate::load(found.folder) == nullptr;
  model.chat_template = text::ChatTemplate::choose(options.chat_template, found.folder, type, *model.tokenizer);
  return model;
}

cluster::ClusterOptions cluster_options(const ServeOptions& options, const LoadedModel& model, const NodeCount& nodes,
                                        const link::Secret& secret) {
  const checkpoint::ModelConfig& config = model.checkpoint.config();
  cluster::ClusterOptions cluster;
  cluster.secret = secret;
  cluster.model = model.name;
  cluster.hub_name = model.hub_name;
  cluster.port = options.link_port;
  cluster.stage_program = cluster::find_stage_program();
  cluster.cache_folder = cache_folder();
  cluster.log_folder = options.machine.log_dir;
  cluster.local_agent = describe_machine(options.machine);
  cluster.local_agent.num_stages = std::max(1, options.local);
  if (nodes.max > 1 || options.no_local_rank) {
    if (options.machine.address.empty()) {
      cluster.listen_addresses = {"0.0.0.0", "::"};
    } else {
      cluster.listen_addresses = {cluster.local_agent.address};
    }
  }
  cluster::CoordinatorOptions& coordinator = cluster.coordinator;
  coordinator.min_nodes = nodes.min;
  coordinator.max_nodes = nodes.max;
  coordinator.num_local_stages = std::max(1, options.local);
  coordinator.has_local_rank = !options.no_local_rank;
  coordinator.split = parse_split(options.split);
  coordinator.dtype = options.dtype;
  coordinator.kv_dtype = options.kv_dtype;
  coordinator.device = options.machine.device;
  coordinator.ops = options.ops;
  coordinator.kernels = options.kernels;
  coordinator.model_folder = std::filesystem::absolute(model.checkpoint.folder()).string();
  coordinator.max_model_len = parse_model_len(options.max_model_len);
  coordinator.model_max_position = config.max_position;
  coordinator.max_num_seqs = options.max_num_seqs;
  coordinator.vocab_limit = std::min(model.tokenizer->size(), config.vocab_size);
  coordinator.sizes = cluster::model_sizes(model.checkpoint, bytes_of_dtype(options.dtype),
                                           kv_value_bytes(options, model.checkpoint), kMaxStepTokens);
  return cluster;
}

step::SamplingParams default_sampling(const checkpoint::ModelConfig& config) {
  step::SamplingParams sampling;
  if (config.temperature) sampling.temperature = static_cast<float>(*config.temperature);
  if (config.top_p) sampling.top_p = static_cast<float>(*config.top_p);
  if (config.top_k) sampling.top_k = *config.top_k;
  if (config.min_p) sampling.min_p = static_cast<float>(*config.min_p);
  if (config.repetition_penalty) sampling.repetition_penalty = static_cast<float>(*config.repetition_penalty);
  return sampling;
}

Json tokenizer_config(const std::filesystem::path& folder) {
  std::ifstream in(folder / "tokenizer_config.json");
  if (!in) return nullptr;
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  return parse_json(text, "tokenizer_config.json");
}

api::Model api_model(const ServeOptions& options, const LoadedModel& loaded, std::shared_ptr<engine::Engine> engine) {
  const checkpoint::ModelConfig& config = loaded.checkpoint.config();
  api::Model model;
  model.id = options.served_model_names.empty() ? loaded.name : options.served_model_names.front();
  if (!options.served_model_names.empty()) model.aliases.assign(options.served_model_names.begin() + 1, options.served_model_names.end());
  model.engine = std::move(engine);
  model.tokenizer = loaded.tokenizer;
  model.chat_template = loaded.chat_template;
  model.chat_adds_special_tokens = false;
  model.model_type = config.model_type;
  model.created = static_cast<std::int64_t>(std::time(nullptr));
  model.max_model_len = config.max_position;
  model.vocab_size = std::min(loaded.tokenizer->size(), config.vocab_size);
  for (const auto& tensor : loaded.checkpoint.tensors()) {
    model.num_params += tensor.size_bytes / checkpoint::dtype_bytes(tensor.dtype);
    model.size_bytes += tensor.size_bytes;
  }
  model.fingerprint = "tandem-" TANDEM_VERSION "-" + to_hex(loaded.checkpoint.structure_hash()).substr(0, 8);
  model.end_ids = config.end_ids;
  if (model.end_ids.empty() && loaded.tokenizer->eos_id()) model.end_ids = {*loaded.tokenizer->eos_id()};
  model.default_sampling = default_sampling(config);
  model.tokenizer_config = tokenizer_config(loaded.checkpoint.folder());
  return model;
}

// What /health may tell without a key: which rank is in which state and why, and no address.
Json health_of(const cluster::Cluster& cluster) {
  const Json status = cluster.status();
  Json health = Json::object();
  for (const char* key : {"state", "reason", "model", "generation"}) {
    if (status.contains(key)) health[key] = status[key];
  }
  health["ranks"] = Json::array();
  if (!status.contains("ranks")) return health;
  for (const Json& rank : status["ranks"]) {
    Json shown = Json::object();
    for (const char* key : {"rank", "machine", "state", "last_error"}) shown[key] = rank.value(key, Json(nullptr));
    health["ranks"].push_back(std::move(shown));
  }
  return health;
}

api::Options api_options(const ServeOptions& options, const cluster::Cluster& cluster, const std::atomic<bool>& draining) {
  api::Options api;
  api.api_keys = collect_api_keys(options);
  api.loopback_only = is_loopback_host(options.host);
  if (options.reasoning_field == "reasoning") api.reasoning_field = api::ReasoningField::kReasoning;
  if (options.reasoning_field == "both") api.reasoning_field = api::ReasoningField::kBoth;
  api.version = {{"version", TANDEM_VERSION}, {"torch", TANDEM_TORCH_VERSION}, {"link_protocol", link::kProtocolVersion}};
  api.cluster = [&cluster] { return cluster.status(); };
  api.health_detail = [&cluster] { return health_of(cluster); };
  api.unready_reason = [&cluster, &draining]() -> std::string {
    if (draining) return "the server is shutting down";
    const step::RunnerInfo info = cluster.info();
    return info.state == step::RunnerInfo::State::kReady ? "" : info.reason;
  };
  return api;
}

void print_join_lines(const cluster::Cluster& cluster, const ServeOptions& options) {
  if (cluster.port() == 0) return;
  const std::string port = cluster.port() == link::kDefaultPort ? "" : ":" + std::to_string(cluster.port());
  std::fprintf(stderr, "On the other machine, by whichever of these addresses it reaches this one:\n");
  for (const link::InterfaceAddress& local : link::local_addresses()) {
    if (!options.machine.address.empty() && local.address != link::resolve_address_option(options.machine.address)) continue;
    const bool is_v6 = local.address.find(':') != std::string::npos;
    const std::string host = is_v6 && !port.empty() ? "[" + local.address + "]" : local.address;
    std::fprintf(stderr, "  tandem join %s%s      # %s\n", host.c_str(), port.c_str(), local.interface.c_str());
  }
  std::fprintf(stderr, "It asks for the secret, which `tandem secret` prints here.\n");
}

link::Secret find_secret(const MachineOptions& options) {
  const char* given = std::getenv("TANDEM_SECRET");
  if (given != nullptr && *given != '\0') return link::parse_secret(given);
  return link::load_or_create_secret(secret_path(options.secret_file));
}

// `tandem secret --rotate` while the head runs: machines that join from now on need the new one.
void follow_secret(cluster::Cluster& cluster, const MachineOptions& options, link::Secret& current) {
  try {
    const link::Secret now = find_secret(options);
    if (now.bytes == current.bytes) return;
    current = now;
    cluster.set_secret(now);
    log::info("the secret was renewed: machines that join from now on need the one that `tandem secret` prints");
  } catch (const Error& e) {
    log::debug("{}", e.what());   // half-written or gone: the old one stays
  }
}

std::vector<std::string> listen(http::Server& server, const ServeOptions& options) {
  std::vector<std::string> urls;
  const std::vector<std::string> hosts = options.host.empty() || options.host == "localhost"
                                             ? std::vector<std::string>{"127.0.0.1", "::1"}
                                             : std::vector<std::string>{options.host};
  std::uint16_t port = options.port;
  for (const std::string& host : hosts) {
    try {
      port = server.listen(host, port);
    } catch (const Error& e) {
      // A machine without IPv6 still serves on 127.0.0.1.
      if (urls.empty()) throw;
      log::debug("{}", e.what());
      continue;
    }
    const bool is_v6 = host.find(':') != std::string::npos;
    urls.push_back("http://" + (is_v6 ? "[" + host + "]" : host == "127.0.0.1" ? "localhost" : host) + ":" + std::to_string(port));
  }
  return urls;
}

void print_ready(const std::string& url, const std::string& model) {
  std::fprintf(stderr, "ready: %s serves %s\n", url.c_str(), model.c_str());
  std::fprintf(stderr, "  curl %s/v1/chat/completions -H 'Content-Type: application/json' \\\n", url.c_str());
  std::fprintf(stderr, "    -d '{\"messages\": [{\"role\": \"user\", \"content\": \"Hello! Can you explain what you are?\"}]}'\n");
}

// Ends at a signal, or throws when serving can never start.
void wait_for_end(cluster::Cluster& cluster, const StopSignals& signals, const ServeOptions& options, link::Secret secret,
                  const std::function<void()>& when_ready) {
  bool was_ready = false;
  while (signals.wait_until(SteadyTime::now() + milliseconds(200)) == 0) {
    if (const auto fatal = cluster.fatal()) throw *fatal;
    follow_secret(cluster, options.machine, secret);
    if (!was_ready && cluster.info().state == step::RunnerInfo::State::kReady) {
      was_ready = true;
      when_ready();
    }
  }
}

// The server takes 4,096 connections, and systems start programs with 1,024 or fewer descriptors.
void raise_open_files() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur = std::min<rlim_t>(files.rlim_max, 16384);
  if (::setrlimit(RLIMIT_NOFILE, &files) != 0) log::debug("the limit of open files stays as it is");
}

int serve(const ServeOptions& options) {
  const LauncherEnvironment launcher = launcher_environment();
  const StopSignals signals;
  setup_log(options.machine, "api_master");
  warn_about_ignored_environment();
  raise_open_files();
  NodeCount nodes = parse_nodes(options.nodes);
  if (options.nodes.empty() && launcher.world_size > 1) nodes = {launcher.world_size, launcher.world_size};
  collect_api_keys(options);
  std::fprintf(stderr, "tandem %s: opening %s\n", TANDEM_VERSION, options.model.c_str());
  const LoadedModel model = load(options);
  const link::Secret secret = find_secret(options.machine);

  cluster::ClusterOptions wiring = cluster_options(options, model, nodes, secret);
  if (launcher.master_port != 0 && launcher.world_size > 1) wiring.port = launcher.master_port;
  cluster::Cluster cluster(std::move(wiring), model.checkpoint);
  const SteadyClock clock;
  const auto engine = std::make_shared<engine::Engine>(
      cluster, engine::EngineOptions{.max_num_seqs = options.max_num_seqs, .max_queue = options.max_queue,
                                     .max_step_tokens = kMaxStepTokens, .vocab_size = model.checkpoint.config().vocab_size},
      clock);
  api::Models models;
  models.add(api_model(options, model, engine));
  std::atomic<bool> draining = false;
  http::Server server;
  api::mount(server, models, api_options(options, cluster, draining));
  const std::vector<std::string> urls = listen(server, options);
  server.start();
  log::info("API on {}; loading {}", join(urls, ", "), model.name);
  print_join_lines(cluster, options);

  wait_for_end(cluster, signals, options, secret, [&] { print_ready(urls.front(), models.find("")->id); });
  draining = true;
  log::info("draining: answers in flight have {} s", options.drain_s);
  const auto deadline = SteadyTime::now() + seconds(options.drain_s);
  engine->drain(seconds(options.drain_s));
  server.drain(std::max(milliseconds(500), std::chrono::duration_cast<milliseconds>(deadline - SteadyTime::now())));
  return kOk;
}

}  // namespace

Verb add_serve(CLI::App& app) {
  CLI::App* verb = app.add_subcommand("serve", "serve a model on this machine, and on others that join");
  const auto options = std::make_shared<ServeOptions>();
  add_serve_options(*verb, *options);
  return [options] {
    const LauncherEnvironment launcher = launcher_environment();
    // Started by a launcher on every machine alike: all but the first join it.
    if (launcher.rank > 0) return join_launcher(launcher, options->machine);
    return serve(*options);
  };
}

}  // namespace tandem::cli
