// The one exception type of the project. Thrown in every room, caught at four walls: verb, HTTP handler, engine loop,
// stage loop.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

namespace tandem {

/// What kind of failure it is; the walls turn it into an exit code or an HTTP status.
enum class Code {
  kInvalidArgument,    ///< the caller's input is wrong (exit 2, HTTP 400)
  kNotFound,           ///< no such model, file or route (exit 3, HTTP 404)
  kCorrupt,            ///< bytes on disk or on a link are not what they must be
  kUnsupported,        ///< understood, and not offered here
  kDoesNotFit,         ///< memory or disk does not suffice (exit 5)
  kUnauthenticated,    ///< wrong secret or key
  kMismatch,           ///< versions, models or platforms of two machines differ (exit 4)
  kUnavailable,        ///< not now: loading, draining, a rank is lost (exit 4, HTTP 503)
  kResourceExhausted,  ///< a queue or a limit is full (HTTP 429)
  kDeadlineExceeded,   ///< it took too long
  kCancelled,          ///< whoever asked has gone
  kIo,                 ///< the system refused a file or a socket
  kInternal,           ///< a defect of tandem
};

/// The enumerator without its k, in snake_case: "invalid_argument".
std::string_view to_string(Code code);

/// A failure whose message says where, what, and what to do about it.
class Error : public std::runtime_error {
 public:
  Error(Code code, const std::string& message) : std::runtime_error(message), code_(code) {}
  Code code() const { return code_; }

 private:
  Code code_;
};

/// "Connection refused" for an errno value; safe from any thread.
std::string errno_text(int error_number);

}  // namespace tandem
