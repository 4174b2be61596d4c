#include "tandem/cli/join.h"

#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <memory>
#include <thread>

#include "tandem/base/error.h"
#include "tandem/base/log.h"
#include "tandem/base/strings.h"
#include "tandem/cli/exit_codes.h"
#include "tandem/cli/host_port.h"
#include "tandem/cli/signals.h"
#include "tandem/cli/verbs.h"
#include "tandem/cluster/agent.h"
#include "tandem/cluster/stage_process.h"
#include "tandem/hub/hub.h"
#include "tandem/link/secret.h"

namespace tandem::cli {
namespace {

using SteadyTime = std::chrono::steady_clock;

struct JoinOptions {
  MachineOptions machine;
  std::string head;                ///< HOST or HOST:PORT, IPv6 in brackets when with a port
  bool secret_from_stdin = false;
  bool end_with_stdin = false;     ///< over ssh: the agent ends when its stdin closes
};

// Reads a line from the terminal without showing it.
std::string ask_without_echo(const std::string& question) {
  std::fprintf(stderr, "%s", question.c_str());
  termios before{};
  const bool is_terminal = tcgetattr(STDIN_FILENO, &before) == 0;
  if (is_terminal) {
    termios quiet = before;
    quiet.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
  }
  std::string line;
  std::getline(std::cin, line);
  if (is_terminal) tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
  std::fprintf(stderr, "\n");
  return line;
}

struct FoundSecret {
  link::Secret secret;
  bool is_new = false;   ///< typed in: stored once it is proved
};

FoundSecret find_secret(const JoinOptions& options) {
  if (options.secret_from_stdin) {
    std::string line;
    std::getline(std::cin, line);
    return {link::parse_secret(line)};
  }
  if (const char* given = std::getenv("TANDEM_SECRET"); given != nullptr && *given != '\0') return {link::parse_secret(given)};
  if (const auto stored = link::load_secret(secret_path(options.machine.secret_file))) return {*stored};
  if (isatty(STDIN_FILENO) == 0) {
    throw Error(Code::kInvalidArgument, "no secret: run `tandem secret` on the head and give it by --secret-file, TANDEM_SECRET or "
                                        "--secret-stdin, or run join in a terminal, which asks for it");
  }
  return {link::parse_secret(ask_without_echo("Secret of the head (`tandem secret` prints it there): ")), true};
}

// Proves a typed secret before it is stored; a wrong one is never written.
void prove_and_store(const JoinOptions& options, const HostPort& head, const link::Secret& secret) {
  static_cast<void>(link::connect(head.host, head.port, secret, link::this_identity(link::Role::kDoctor),
                                  {.frame_limit = link::max_payload_bytes}));
  link::store_secret(secret_path(options.machine.secret_file), secret);
}

cluster::AgentOptions agent_options(const JoinOptions& options, const HostPort& head, const link::Secret& secret) {
  cluster::AgentOptions agent;
  agent.host = head.host;
  agent.port = head.port;
  agent.secret = secret;
  agent.hello = describe_machine(options.machine);
  agent.stage_program = cluster::find_stage_program();
  agent.cache_folder = cache_folder();
  agent.cache_bytes = parse_size(options.machine.cache_size, "--cache-size");
  agent.log_folder = options.machine.log_dir;
  agent.find_model = [](const std::string& model) -> std::optional<std::filesystem::path> {
    try {
      return hub::resolve(model, hub::default_places()).folder;
    } catch (const Error&) {
      return std::nullopt;
    }
  };
  return agent;
}

// True once the other end of stdin has closed.
bool stdin_has_closed() {
  pollfd wait{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
  if (::poll(&wait, 1, 0) <= 0) return false;
  char ignored[256];
  return ::read(STDIN_FILENO, ignored, sizeof(ignored)) <= 0;
}

int run_agent(const JoinOptions& options, const HostPort& head, const link::Secret& secret, int preferred_rank) {
  const StopSignals signals;
  cluster::AgentOptions wiring = agent_options(options, head, secret);
  wiring.hello.preferred_rank = preferred_rank;
  log::info("{}: {}, {} threads, {} for tandem; joining {} port {}", wiring.hello.machine, wiring.hello.cpu,
            wiring.hello.num_threads, format_bytes(wiring.hello.memory_budget_bytes), head.host, head.port);
  cluster::Agent agent(std::move(wiring));
  std::atomic<bool> has_ended = false;
  std::exception_ptr failure;
  std::thread thread([&] {
    try {
      agent.run();
    } catch (...) {
      failure = std::current_exception();
    }
    has_ended = true;
  });
  while (!has_ended && signals.wait_until(SteadyTime::now() + std::chrono::milliseconds(100)) == 0) {
    if (options.end_with_stdin && stdin_has_closed()) break;
  }
  agent.stop();
  thread.join();
  if (failure) std::rethrow_exception(failure);
  return kOk;
}

int join(const JoinOptions& options) {
  setup_log(options.machine, "worker_agent");
  warn_about_ignored_environment();
  const LauncherEnvironment launcher = launcher_environment();
  HostPort head = parse_host_port(options.head.empty() ? launcher.master_addr : options.head);
  if (head.host.empty()) throw Error(Code::kInvalidArgument, "which head? For example: tandem join mini1.local");
  if (options.head.empty() && launcher.master_port != 0) head.port = launcher.master_port;
  const FoundSecret found = find_secret(options);
  if (found.is_new) prove_and_store(options, head, found.secret);
  return run_agent(options, head, found.secret, launcher.rank);
}

}  // namespace

int join_launcher(const LauncherEnvironment& launcher, const MachineOptions& machine) {
  if (launcher.master_addr.empty()) throw Error(Code::kInvalidArgument, "RANK is above 0 and MASTER_ADDR is not set: where is the head?");
  JoinOptions options{.machine = machine, .head = ""};
  return join(options);
}

Verb add_join(CLI::App& app) {
  CLI::App* verb = app.add_subcommand("join", "lend this machine to a head; goes on joining until it is ended");
  const auto options = std::make_shared<JoinOptions>();
  verb->add_option("head", options->head, "HOST or HOST:PORT of the machine that runs `tandem serve`");
  verb->add_flag("--secret-stdin", options->secret_from_stdin, "read the secret from the first line of stdin");
  verb->add_flag("--end-with-stdin", options->end_with_stdin, "end when stdin closes (for ssh)");
  verb->add_option("--device", options->machine.device, "auto, cpu, mps or cuda")->check(CLI::IsMember({"auto", "cpu", "mps", "cuda"}));
  add_machine_options(*verb, options->machine);
  return [options] { return join(*options); };
}

}  // namespace tandem::cli
