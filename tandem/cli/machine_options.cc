#include "tandem/cli/machine_options.h"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <ctime>

#include "tandem/base/error.h"
#include "tandem/base/hash.h"
#include "tandem/base/log.h"
#include "tandem/base/strings.h"
#include "tandem/cluster/machine.h"
#include "tandem/link/addresses.h"
#include "tandem/link/secret.h"

namespace tandem::cli {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

int number_from_environment(const char* name) {
  const std::string text = environment(name);
  if (text.empty()) return -1;
  const auto number = parse_int(text);
  if (!number || *number < 0 || *number > 1'000'000) {
    throw Error(Code::kInvalidArgument, std::string(name) + "=" + text + " is not a number that can be used; unset it");
  }
  return static_cast<int>(*number);
}

std::string time_for_file_name() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  localtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof(text), "%Y%m%d_%H%M%S", &parts);
  return text;
}

std::string random_name() {
  std::uint8_t bytes[8];
  random_bytes(bytes);
  return to_hex(bytes);
}

}  // namespace

void add_machine_options(CLI::App& verb, MachineOptions& options) {
  verb.add_option("--address", options.address, "IP or interface for the other machines (default: the route to them)");
  verb.add_option("--memory", options.memory, "memory that tandem may use here: 80% or 12G (default: 90 % of what is free)");
  verb.add_option("--threads", options.threads, "threads for all stages here (default: physical performance cores)")
      ->check(CLI::Range(1, 4096));
  verb.add_option("--secret-file", options.secret_file, "file with the join secret (default: ~/.config/tandem/secret)");
  verb.add_option("--cache-size", options.cache_size, "bound of the slices kept on disk")->capture_default_str();
  verb.add_option("--log-level", options.log_level, "trace, debug, info, warning, error, off")->capture_default_str();
  verb.add_option("--log-format", options.log_format, "text or json")->capture_default_str();
  verb.add_option("--log-dir", options.log_dir, "also write log files into this folder");
}

void setup_log(const MachineOptions& options, const std::string& file_prefix) {
  log::Options log{.level = options.log_level, .format = options.log_format, .file = ""};
  if (!options.log_dir.empty()) {
    std::error_code error;
    std::filesystem::create_directories(options.log_dir, error);
    if (error) throw Error(Code::kIo, "--log-dir " + options.log_dir + ": " + error.message());
    log.file = (std::filesystem::path(options.log_dir) / (file_prefix + "_" + time_for_file_name() + ".log")).string();
  }
  log::setup(log);
}

link::AgentHello describe_machine(const MachineOptions& options) {
  const cluster::SystemFacts facts = cluster::system_facts();
  link::AgentHello hello;
  hello.machine = facts.name;
  hello.machine_id = facts.machine_id;
  hello.instance = random_name();
  hello.cpu = facts.cpu;
  hello.device = options.device;
  if (!options.address.empty()) {
    hello.address = link::resolve_address_option(options.address);
    hello.interface = link::interface_of(hello.address);
  }
  hello.memory_budget_bytes = cluster::memory_budget(facts, options.memory);
  hello.memory_total_bytes = facts.memory_total_bytes;
  hello.num_threads = options.threads > 0 ? options.threads : facts.performance_cores;
  hello.read_gb_s = cluster::measure_read_bandwidth(hello.num_threads);
  return hello;
}

std::string secret_path(const std::string& option) { return option.empty() ? link::default_secret_path() : option; }

std::filesystem::path cache_folder() {
  if (const std::string xdg = environment("XDG_CACHE_HOME"); !xdg.empty()) return std::filesystem::path(xdg) / "tandem";
  const std::string home = environment("HOME");
  if (home.empty()) throw Error(Code::kInvalidArgument, "neither HOME nor XDG_CACHE_HOME is set: there is no place for caches");
  return std::filesystem::path(home) / ".cache" / "tandem";
}

void warn_about_ignored_environment() {
  if (!environment("GLOO_SOCKET_IFNAME").empty()) log::warn("GLOO_SOCKET_IFNAME is ignored; use --address");
}

LauncherEnvironment launcher_environment() {
  LauncherEnvironment launcher;
  launcher.rank = number_from_environment("RANK");
  launcher.world_size = number_from_environment("WORLD_SIZE");
  launcher.master_addr = environment("MASTER_ADDR");
  const int port = number_from_environment("MASTER_PORT");
  if (port > 65534) throw Error(Code::kInvalidArgument, "MASTER_PORT=" + std::to_string(port) + " is not a port");
  // Under torchrun the variable names the port of its own store, which is taken; the next one is ours.
  const bool is_torchrun = !environment("TORCHELASTIC_RUN_ID").empty();
  if (port > 0) launcher.master_port = static_cast<std::uint16_t>(port + (is_torchrun ? 1 : 0));
  return launcher;
}

}  // namespace tandem::cli
