// The program `tandem`: reads the command line and runs one verb. The outermost wall for errors.
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
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
