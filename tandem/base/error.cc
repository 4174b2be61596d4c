#include "tandem/base/error.h"

#include <system_error>

namespace tandem {

std::string_view to_string(Code code) {
  switch (code) {
    case Code::kInvalidArgument: return "invalid_argument";
    case Code::kNotFound: return "not_found";
    case Code::kCorrupt: return "corrupt";
    case Code::kUnsupported: return "unsupported";
    case Code::kDoesNotFit: return "does_not_fit";
    case Code::kUnauthenticated: return "unauthenticated";
    case Code::kMismatch: return "mismatch";
    case Code::kUnavailable: return "unavailable";
    case Code::kResourceExhausted: return "resource_exhausted";
    case Code::kDeadlineExceeded: return "deadline_exceeded";
    case Code::kCancelled: return "cancelled";
    case Code::kIo: return "io";
    case Code::kInternal: return "internal";
  }
  return "internal";
}

std::string errno_text(int error_number) { return std::generic_category().message(error_number); }

}  // namespace tandem
