// tandem-stage: one rank. Started by a head or an agent, which writes one line of JSON to its stdin
// and keeps that open.
#include <ATen/Parallel.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string_view>

#include "tandem/base/error.h"
#include "tandem/comm/comm.h"
#include "tandem/stage/process.h"
#include "tandem/stage/session.h"
#include "tandem/stage/stderr_log.h"

namespace {

using namespace tandem;

/// Gloo ends the process from its own threads; the last line on stderr then says why.
[[noreturn]] void say_why_and_abort() {
  std::string reason = "terminated without an exception";
  if (const std::exception_ptr error = std::current_exception()) {
    try {
      std::rethrow_exception(error);
    } catch (const std::exception& e) {
      reason = e.what();
    } catch (...) {
      reason = "an exception of unknown type";
    }
  }
  stage::log_line("error", "fatal: " + reason);
  std::abort();
}

/// Variables that make Gloo rendezvous in another way than comm expects.
void forget_gloo_variables() {
  for (const char* name :
       {"GLOO_ENABLE_RANK_AS_SEQUENCE_NUMBER", "GLOO_ENABLE_STORE_V2_API",
        "GLOO_DISABLE_CONNECTION_RETRIES", "GLOO_DEVICE_TRANSPORT", "TORCH_GLOO_LAZY_INIT"}) {
    ::unsetenv(name);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "--version") {
    std::printf("tandem-stage %s, torch %s, %s\n", TANDEM_VERSION, TANDEM_TORCH_VERSION,
                std::string(comm::gloo_transport()).c_str());
    return 0;
  }
  if (argc != 1) {
    std::fprintf(stderr,
                 "tandem-stage is started by `tandem serve` and `tandem join`; it takes its "
                 "options from stdin\n");
    return stage::kExitBadOptions;
  }
  std::set_terminate(say_why_and_abort);
  stage::die_with_parent();
  stage::ignore_broken_pipes();
  stage::raise_descriptor_limit();
  forget_gloo_variables();
  stage::StageOptions options;
  try {
    options = stage::parse_stage_options(stage::read_first_line(STDIN_FILENO));
    at::set_num_threads(options.num_threads);
  } catch (const Error& e) {
    stage::log_line("error", e.what());
    return stage::kExitBadOptions;
  }
  stage::end_with(STDIN_FILENO);
  stage::serve_head(options);
}
