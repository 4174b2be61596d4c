// The flags with which a machine describes itself, the same for `serve` and `join`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "tandem/link/link.h"
#include "tandem/link/messages.h"

namespace CLI {
class App;
}

namespace tandem::cli {

struct MachineOptions {
  std::string address;       ///< IP or interface
  std::string memory;        ///< "80%", "12G"
  int threads = 0;           ///< 0: physical performance cores within affinity and quota
  std::string device = "auto";
  std::string secret_file;   ///< "": link::default_secret_path
  std::string cache_size = "50G";
  std::string log_level = "info", log_format = "text", log_dir;
};

void add_machine_options(CLI::App& verb, MachineOptions& options);
/// Sets up the log: to stderr, and to `file_prefix`_TIME.log in --log-dir, which is made when missing.
void setup_log(const MachineOptions& options, const std::string& file_prefix);
/// Measures and describes this machine; takes about 0.3 s.
link::AgentHello describe_machine(const MachineOptions& options);
/// --secret-file or its default.
std::string secret_path(const std::string& option);
/// $XDG_CACHE_HOME/tandem or ~/.cache/tandem.
std::filesystem::path cache_folder();
/// GLOO_SOCKET_IFNAME is a setting that users of PyTorch know and that does nothing here: says so once.
void warn_about_ignored_environment();

/// What torchrun and its kin put into the environment; -1 and "" where unset.
struct LauncherEnvironment {
  int rank = -1, world_size = -1;
  std::string master_addr;
  std::uint16_t master_port = 0;   ///< already moved by one under torchrun, whose own store holds the port
};
/// Throws Error{kInvalidArgument} naming the variable that is no number.
LauncherEnvironment launcher_environment();

}  // namespace tandem::cli
