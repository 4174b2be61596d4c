// The verbs of `tandem`: each adds its options to the command line and returns what runs it.
#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace tandem::cli {

/// Runs a verb after the command line was read; the exit code. Throws Error, which `main` prints.
using Verb = std::function<int()>;

/// Each adds its sub-command to `app`; the returned function is called when that sub-command was given.
Verb add_serve(CLI::App& app);
Verb add_join(CLI::App& app);
Verb add_status(CLI::App& app);
Verb add_secret(CLI::App& app);
Verb add_chat(CLI::App& app);
Verb add_resolve(CLI::App& app);
Verb add_doctor(CLI::App& app);
Verb add_version(CLI::App& app);

}  // namespace tandem::cli
