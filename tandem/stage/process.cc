#include "tandem/stage/process.h"

#include <signal.h>
#include <sys/resource.h>

namespace tandem::stage {

void ignore_broken_pipes() { (void)::signal(SIGPIPE, SIG_IGN); }

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace tandem::stage
