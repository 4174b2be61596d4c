// Errors in OpenAI's shape; see api_error.h.
#include "tandem/api/api_error.h"

#include <new>

#include "tandem/base/log.h"

namespace tandem::api {
namespace {

constexpr const char* kRetryAfterUnavailable =
    "5";  // seconds: about what forming a small cluster takes
constexpr const char* kRetryAfterBusy = "1";

std::string_view type_of_status(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 429:
      return "rate_limit_error";
    case 503:
      return "unavailable_error";
    default:
      return status >= 500 ? "server_error" : "invalid_request_error";
  }
}

ApiError from_error(const Error& error, std::string_view request_id) {
  switch (error.code()) {
    case Code::kInvalidArgument:
    case Code::kUnsupported:
      return invalid_request(error.what());
    case Code::kUnavailable:
      return unavailable(error.what());
    case Code::kResourceExhausted:
      return too_busy(error.what());
    default:
      break;
  }
  // Other codes may carry paths or addresses, which are none of a client's business.
  log::error("request {}: {}: {}", request_id, to_string(error.code()), error.what());
  return ApiError(
      500, "server_error",
      "Internal error; the server's log has it under request id " + std::string(request_id) + ".");
}

}  // namespace

ApiError& ApiError::with_param(std::string param) {
  param_ = std::move(param);
  return *this;
}

ApiError& ApiError::with_code(std::string code) {
  code_ = std::move(code);
  return *this;
}

ApiError& ApiError::with_extra(const std::string& name, Json value) {
  extra_[name] = std::move(value);
  return *this;
}

ApiError& ApiError::with_header(std::string name, std::string value) {
  headers_.emplace_back(std::move(name), std::move(value));
  return *this;
}

Json ApiError::body() const {
  Json error = {{"message", what()},
                {"type", type_},
                {"param", null_if_empty(param_)},
                {"code", null_if_empty(code_)}};
  error.update(extra_);
  Json body = Json::object();
  body["error"] = std::move(error);
  return body;
}

http::Response ApiError::response() const {
  http::Response response = json_response(status_, body());
  response.headers.insert(response.headers.end(), headers_.begin(), headers_.end());
  return response;
}

ApiError invalid_request(const std::string& message, std::string param) {
  return ApiError(400, "invalid_request_error", message).with_param(std::move(param));
}

ApiError not_offered(std::string param, const std::string& what) {
  return ApiError(400, "invalid_request_error", what + " not offered by this server yet.")
      .with_param(std::move(param))
      .with_code("unsupported");
}

ApiError unavailable(const std::string& reason) {
  return ApiError(503, "unavailable_error",
                  reason.empty() ? "The server is not ready yet." : reason)
      .with_code("not_ready")
      .with_header("Retry-After", kRetryAfterUnavailable);
}

ApiError too_busy(const std::string& message) {
  return ApiError(429, "rate_limit_error", message)
      .with_code("queue_full")
      .with_header("Retry-After", kRetryAfterBusy);
}

ApiError to_api_error(const std::exception& thrown, std::string_view request_id) {
  if (const auto* ours = dynamic_cast<const ApiError*>(&thrown)) return *ours;
  if (const auto* error = dynamic_cast<const Error*>(&thrown))
    return from_error(*error, request_id);
  if (dynamic_cast<const std::bad_alloc*>(&thrown)) {
    log::error("request {}: out of memory", request_id);
    return unavailable(
        "The server is out of memory for this request; try again later or with a smaller one.");
  }
  log::error("request {}: {}", request_id, thrown.what());
  return ApiError(
      500, "server_error",
      "Internal error; the server's log has it under request id " + std::string(request_id) + ".");
}

http::Response error_body(int status, std::string_view message) {
  return ApiError(status, std::string(type_of_status(status)), std::string(message)).response();
}

}  // namespace tandem::api
