// The program `tandem`: reads the command line and runs one verb. The outermost wall for errors.
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include "tandem/base/error.h"
#include "tandem/cli/exit_codes.h"
#include "tandem/cli/verbs.h"

namespace {

int run(int argc, char** argv) {
  CLI::App app{"tandem serves a large language model from several small machines", "tandem"};
  app.require_subcommand(1);
  app.set_version_flag("--version", TANDEM_VERSION);
  using tandem::cli::Verb;
  const std::map<std::string, Verb> verbs = {
      {"serve", tandem::cli::add_serve(app)},   {"join", tandem::cli::add_join(app)},
      {"status", tandem::cli::add_status(app)}, {"secret", tandem::cli::add_secret(app)},
      {"chat", tandem::cli::add_chat(app)},     {"resolve", tandem::cli::add_resolve(app)},
      {"doctor", tandem::cli::add_doctor(app)}, {"version", tandem::cli::add_version(app)},
  };
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? tandem::cli::kOk : tandem::cli::kUsage;
  }
  return verbs.at(app.get_subcommands().front()->get_name())();
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  // For the stages that this process starts: OpenMP's threads sleep while they wait. Spinning ones made a prompt on a busy
  // two-core machine take 1.4 to 6.4 s instead of 0.1 to 0.2 s.
  ::setenv("OMP_WAIT_POLICY", "passive", /*overwrite=*/0);
  try {
    return run(argc, argv);
  } catch (const tandem::Error& e) {
    std::fprintf(stderr, "tandem: %s\n", e.what());
    return tandem::cli::exit_code(e.code());
  } catch (const std::exception& e) {
    std::fprintf(stderr, "tandem: %s\n", e.what());
    return tandem::cli::kFailure;
  }
}
