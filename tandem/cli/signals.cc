#include "tandem/cli/signals.h"

#include <pthread.h>
#include <signal.h>

#include <thread>

namespace tandem::cli {
namespace {

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  return set;
}

}  // namespace

StopSignals::StopSignals() {
  const sigset_t set = stop_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

int StopSignals::wait_until(std::chrono::steady_clock::time_point deadline) const {
  const sigset_t set = stop_signals();
  // macOS has no sigtimedwait: look every 20 ms whether one is pending.
  while (std::chrono::steady_clock::now() < deadline) {
    sigset_t pending;
    sigemptyset(&pending);
    sigpending(&pending);
    if (sigismember(&pending, SIGINT) == 1 || sigismember(&pending, SIGTERM) == 1) {
      int signal = 0;
      sigwait(&set, &signal);
      return signal;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return 0;
}

}  // namespace tandem::cli
