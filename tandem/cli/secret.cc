#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "tandem/cli/exit_codes.h"
#include "tandem/cli/machine_options.h"
#include "tandem/cli/verbs.h"
#include "tandem/link/secret.h"

namespace tandem::cli {

Verb add_secret(CLI::App& app) {
  CLI::App* verb = app.add_subcommand("secret", "print the secret with which machines join (made on first use)");
  struct Options {
    std::string file;
    bool rotate = false;
  };
  const auto options = std::make_shared<Options>();
  verb->add_option("--secret-file", options->file, "where it is kept (default: ~/.config/tandem/secret)");
  verb->add_flag("--rotate", options->rotate, "make a new one; machines that joined with the old one stay until they reconnect");
  return [options] {
    const std::string path = secret_path(options->file);
    const link::Secret secret = options->rotate ? link::rotate_secret(path) : link::load_or_create_secret(path);
    std::printf("%s\n", link::format_secret(secret).c_str());
    return kOk;
  };
}

}  // namespace tandem::cli
