// `tandem resolve`: where a model's folder is, for scripts; exit 3 when it is not on this machine.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "tandem/cli/exit_codes.h"
#include "tandem/cli/verbs.h"
#include "tandem/hub/hub.h"

namespace tandem::cli {

Verb add_resolve(CLI::App& app) {
  CLI::App* verb = app.add_subcommand("resolve", "print the folder of a model that is on this machine");
  const auto model = std::make_shared<std::string>();
  verb->add_option("model", *model, "a folder, org/name or demo")->required();
  return [model] {
    std::printf("%s\n", hub::resolve(*model, hub::default_places()).folder.c_str());
    return kOk;
  };
}

}  // namespace tandem::cli
