// `tandem doctor [HOST]`: looks at this machine, and from it at a running head; says what is wrong and how to mend it. Changes
// nothing.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "tandem/base/error.h"
#include "tandem/base/strings.h"
#include "tandem/cli/doctor_checks.h"
#include "tandem/cli/exit_codes.h"
#include "tandem/cli/host_port.h"
#include "tandem/cli/machine_options.h"
#include "tandem/cli/verbs.h"
#include "tandem/cluster/doctor_visit.h"
#include "tandem/cluster/stage_process.h"
#include "tandem/http/client.h"
#include "tandem/link/data_port.h"
#include "tandem/link/messages.h"
#include "tandem/link/secret.h"

namespace tandem::cli {
namespace {

using std::chrono::milliseconds;

constexpr int kNumEchoes = 50;
constexpr milliseconds kMeasuringTime{1000}, kLocalTime{1000};

struct DoctorOptions {
  MachineOptions machine;
  std::string head;              ///< "": look at this machine alone
  std::uint16_t api_port = 8100, link_port = link::kDefaultPort;
  bool json = false;
};

// The checks so far; people see each one at once.
class Report {
 public:
  explicit Report(bool is_silent) : is_silent_(is_silent) {}
  void add(Check check) {
    if (!is_silent_) {
      std::printf("%s", to_text(check).c_str());
      std::fflush(stdout);
    }
    checks_.push_back(std::move(check));
  }
  /// Whatever `look` throws fails the check `name`.
  template <typename Look>
  void attempt(const std::string& name, const std::string& fix, Look look) {
    try {
      add(look());
    } catch (const Error& e) {
      add(failed(name, e.what(), fix));
    }
  }
  const std::vector<Check>& checks() const { return checks_; }

 private:
  const bool is_silent_;
  std::vector<Check> checks_;
};

std::optional<link::Secret> find_secret(const MachineOptions& machine) {
  if (const char* given = std::getenv("TANDEM_SECRET"); given != nullptr && *given != '\0') return link::parse_secret(given);
  return link::load_secret(secret_path(machine.secret_file));
}

Check look_at_secret(const DoctorOptions& options, std::optional<link::Secret>& secret) {
  const std::string path = secret_path(options.machine.secret_file);
  secret = find_secret(options.machine);
  if (secret) return passed("secret", std::getenv("TANDEM_SECRET") != nullptr ? "from TANDEM_SECRET" : path + ", for its owner alone");
  const std::string detail = "none yet in " + path;
  if (options.head.empty()) return warned("secret", detail, "nothing on the head: `tandem serve` makes one; elsewhere `tandem join HOST` asks for it");
  return failed("secret", detail, "run `tandem secret` on " + options.head + " and then `tandem join " + options.head +
                                      "` here, which asks for it; or set TANDEM_SECRET");
}

Check look_at_name() {
  const std::string name = link::this_identity(link::Role::kDoctor).name;
  std::vector<std::string> addresses;
  bool is_loopback = false;
  try {
    for (const link::SocketAddress& address : link::resolve(name, 0)) {
      addresses.push_back(link::to_text(address));
      is_loopback = is_loopback || link::is_loopback(addresses.back());
    }
  } catch (const Error&) {
    return passed("name", name + ", which means no address here: join this machine by an address");
  }
  const std::string detail = name + " means " + join(addresses, ", ") + " here";
  return passed("name", is_loopback ? detail + ", the loopback: other machines join by an address above, or " + name + ".local" : detail);
}

// A tandem server answers /version with its link protocol.
std::string who_serves_api(std::uint16_t port) {
  try {
    const auto answer = http::Client("http://127.0.0.1:" + std::to_string(port)).get("/version", kLocalTime);
    const Json version = parse_json(answer.body, "/version");
    if (version.contains("link_protocol")) return "tandem " + version.value("version", "");
  } catch (const std::exception&) {
    // Not one of ours, whatever it says.
  }
  return "";
}

std::string who_holds_link(std::uint16_t port, const std::optional<link::Secret>& secret) {
  if (!secret) return "";
  try {
    const link::ConnectOptions quick{.connect_timeout = kLocalTime, .handshake_timeout = kLocalTime, .frame_limit = link::max_payload_bytes};
    static_cast<void>(link::connect("127.0.0.1", port, *secret, link::this_identity(link::Role::kDoctor), quick));
    return "a tandem head";
  } catch (const Error& e) {
    return e.code() == Code::kUnauthenticated || e.code() == Code::kMismatch ? "a tandem head" : "";
  }
}

Check look_at_port(const std::string& name, const std::string& address, std::uint16_t port, const std::function<std::string()>& who,
                   const std::string& flag) {
  const std::string number = std::to_string(port);
  if (link::is_port_free(address, port)) return passed(name, number + " is free");
  const std::string holder = who();
  if (!holder.empty()) return passed(name, number + ": " + holder + " is there");
  return warned(name, number + " is taken by another program",
                "`lsof -nP -iTCP:" + number + " -sTCP:LISTEN` names it; end it, or give serve another port with " + flag);
}

Check look_at_cache() {
  const std::filesystem::path folder = cache_folder();
  // What is not there yet will be made inside the nearest folder that is.
  std::filesystem::path there = folder;
  std::error_code error;
  while (!std::filesystem::exists(there, error) && there.has_relative_path()) there = there.parent_path();
  const auto space = std::filesystem::space(there, error);
  return check_cache(folder.string(), ::access(there.c_str(), W_OK | X_OK) == 0, error ? 0 : space.available);
}

void look_here(Report& report, const DoctorOptions& options, std::optional<link::Secret>& secret) {
  report.attempt("versions", "`make build` makes both programs; TANDEM_STAGE names another tandem-stage", [] {
    return check_versions(link::this_identity(link::Role::kDoctor), cluster::stage_version(cluster::find_stage_program()));
  });
  report.attempt("secret", "do as it says, then run doctor again", [&] { return look_at_secret(options, secret); });
  report.attempt("memory", "give --memory as 80% or 12G", [&] {
    const cluster::SystemFacts facts = cluster::system_facts();
    const int threads = options.machine.threads > 0 ? options.machine.threads : facts.performance_cores;
    return check_memory(cluster::memory_budget(facts, options.machine.memory), facts, threads);
  });
  report.attempt("addresses", "check the interfaces of this machine", [] { return check_addresses(link::local_addresses()); });
  if (!options.machine.address.empty()) {
    report.attempt("--address", "take one of those", [&] {
      const std::string address = link::resolve_address_option(options.machine.address);
      return passed("--address", options.machine.address + " is " + address + " (" + link::interface_of(address) + ")");
    });
  }
  report.add(look_at_name());
  report.add(look_at_port("API port", "127.0.0.1", options.api_port, [&] { return who_serves_api(options.api_port); }, "--port"));
  report.add(look_at_port("link port", "0.0.0.0", options.link_port, [&] { return who_holds_link(options.link_port, secret); }, "--link-port"));
  report.attempt("cache", "set HOME or XDG_CACHE_HOME", look_at_cache);
  const char* gloo = std::getenv("GLOO_SOCKET_IFNAME");
  if (gloo != nullptr && *gloo != '\0') report.add(warned("environment", "GLOO_SOCKET_IFNAME is ignored", "unset it; --address says it to tandem"));
}

// False when the name means nothing, so that there is nothing to connect to.
bool look_up(Report& report, const HostPort& head) {
  std::vector<std::string> addresses;
  bool is_loopback = true;
  try {
    for (const link::SocketAddress& address : link::resolve(head.host, head.port)) {
      addresses.push_back(link::to_text(address));
      is_loopback = is_loopback && link::is_loopback(addresses.back());
    }
  } catch (const Error& e) {
    report.add(failed("resolve", e.what(), "check the spelling; on a network with Bonjour or Avahi NAME.local works"));
    return false;
  }
  const std::string detail = head.host + " is " + join(addresses, ", ");
  if (is_loopback) {
    report.add(warned("resolve", detail + ", this machine itself", "to look at another machine, give an address of it"));
  } else {
    report.add(passed("resolve", detail));
  }
  return true;
}

void examine(Report& report, cluster::DoctorVisit& visit, const DoctorOptions& options) {
  const link::Identity ours = link::this_identity(link::Role::kDoctor);
  const std::string& head = visit.head().name;
  report.add(check_match(ours, visit.head()));
  const std::string local = options.machine.address.empty() ? visit.local_address() : link::resolve_address_option(options.machine.address);
  report.add(check_route(local, link::interface_of(local), visit.head_address()));
  report.add(check_round_trip(visit.round_trips_ms(kNumEchoes)));
  report.add(check_rate("to " + head, visit.send_rate_mb_s(kMeasuringTime)));
  report.add(check_rate("from " + head, visit.receive_rate_mb_s(kMeasuringTime)));
  report.add(check_meeting("this machine", head, visit.reach_head()));
  report.add(check_meeting(head, "this machine", visit.be_reached(local)));
}

void look_there(Report& report, const DoctorOptions& options, const link::Secret& secret) {
  const HostPort head = parse_host_port(options.head);
  if (!look_up(report, head)) return;
  try {
    cluster::DoctorVisit visit(link::connect(head.host, head.port, secret, link::this_identity(link::Role::kDoctor),
                                             {.frame_limit = link::max_payload_bytes}));
    report.add(passed("link port", head.host + " port " + std::to_string(head.port) + " is a tandem head"));
    report.add(passed("secret", "both machines have the same"));
    try {
      examine(report, visit, options);
    } catch (const Error& e) {
      report.add(failed("link", e.what(), "read the head's log: it says why it ended the connection"));
    }
  } catch (const Error& e) {
    for (Check& check : check_failed_connect(e, head.host, head.port)) report.add(std::move(check));
  }
}

int doctor(const DoctorOptions& options) {
  Report report(options.json);
  std::optional<link::Secret> secret;
  look_here(report, options, secret);
  if (!options.head.empty() && secret) look_there(report, options, *secret);
  if (options.json) std::printf("%s\n", to_json(report.checks()).dump(2).c_str());
  return has_failure(report.checks()) ? kClusterTrouble : kOk;
}

}  // namespace

Verb add_doctor(CLI::App& app) {
  CLI::App* verb = app.add_subcommand("doctor", "find out what is wrong here, or between here and a running head; exit 4 if anything is");
  const auto options = std::make_shared<DoctorOptions>();
  verb->add_option("head", options->head, "HOST or HOST:PORT of a running `tandem serve MODEL --nodes 2`");
  verb->add_option("--address", options->machine.address, "IP or interface for the other machines, as for serve and join");
  verb->add_option("--memory", options->machine.memory, "as for serve and join: 80% or 12G");
  verb->add_option("--threads", options->machine.threads, "as for serve and join")->check(CLI::Range(1, 4096));
  verb->add_option("--secret-file", options->machine.secret_file, "file with the join secret (default: ~/.config/tandem/secret)");
  verb->add_option("--port", options->api_port, "port of the API here")->capture_default_str();
  verb->add_option("--link-port", options->link_port, "port on which machines would join here")->capture_default_str();
  verb->add_flag("--json", options->json, "print the checks as JSON");
  return [options] { return doctor(*options); };
}

}  // namespace tandem::cli
