// Errors in OpenAI's shape: {"error":{"message","type","param","code"}} and the status that goes
// with them. Thrown while a request is read, caught at the handler's wall, also written into
// streams that fail after their headers.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include "tandem/api/wire.h"
#include "tandem/base/error.h"
#include "tandem/http/server.h"

namespace tandem::api {

/// A refusal or failure as the client sees it.
class ApiError : public std::runtime_error {
 public:
  ApiError(int status, std::string type, const std::string& message)
      : std::runtime_error(message), status_(status), type_(std::move(type)) {}

  ApiError& with_param(std::string param);
  ApiError& with_code(std::string code);
  /// A further member of the error object, e.g. n_ctx.
  ApiError& with_extra(const std::string& name, Json value);
  ApiError& with_header(std::string name, std::string value);

  int status() const { return status_; }
  const std::string& param() const { return param_; }
  const std::string& code() const { return code_; }
  /// {"error":{…}}
  Json body() const;
  http::Response response() const;

 private:
  int status_;
  std::string type_, param_, code_;
  Json extra_ = Json::object();
  http::Headers headers_;
};

/// 400 invalid_request_error; `param` "" is null.
ApiError invalid_request(const std::string& message, std::string param = "");
/// 400 that says that a feature is not offered yet.
ApiError not_offered(std::string param, const std::string& what);
/// 503 with Retry-After.
ApiError unavailable(const std::string& reason);
/// 429 with Retry-After.
ApiError too_busy(const std::string& message);

/// Whatever was thrown, as a client may see it: defects of ours are logged under `request_id`, and
/// the client learns the id alone.
ApiError to_api_error(const std::exception& thrown, std::string_view request_id);

/// The http server's own errors in the same shape.
http::Response error_body(int status, std::string_view message);

}  // namespace tandem::api
