#include "tandem/cli/exit_codes.h"

namespace tandem::cli {

int exit_code(Code code) {
  switch (code) {
    case Code::kInvalidArgument: return kUsage;
    case Code::kNotFound: return kModelNotFound;
    case Code::kUnauthenticated:
    case Code::kMismatch:
    case Code::kUnavailable: return kClusterTrouble;
    case Code::kDoesNotFit: return kDoesNotFit;
    default: return kFailure;
  }
}

}  // namespace tandem::cli
