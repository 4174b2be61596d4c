#include <CLI/CLI.hpp>
#include <cstdio>

#include "tandem/cli/exit_codes.h"
#include "tandem/cli/verbs.h"
#include "tandem/link/link.h"

namespace tandem::cli {

Verb add_version(CLI::App& app) {
  app.add_subcommand("version", "print the versions that two machines must share");
  return [] {
    const link::Identity self = link::this_identity(link::Role::kHead);
    std::printf("tandem %s, link protocol %d, torch %s, %s %s\n", self.tandem_version.c_str(), link::kProtocolVersion,
                self.torch_version.c_str(), self.os.c_str(), self.arch.c_str());
    return kOk;
  };
}

}  // namespace tandem::cli
