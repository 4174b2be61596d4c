// Keys, hosts, origins; see access.h.
#include "tandem/api/access.h"

#include <algorithm>
#include <cctype>

#include "tandem/api/api_error.h"
#include "tandem/base/strings.h"

namespace tandem::api {
namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return result;
}

Digest digest_of(std::string_view text) {
  return sha256({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

bool is_loopback_name(const std::string& host) {
  return host == "localhost" || host == "[::1]" || host == "127.0.0.1";
}

bool contains(const std::vector<std::string>& list, const std::string& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

std::string_view bearer_token(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  if (authorization.size() < kScheme.size() ||
      lower(authorization.substr(0, kScheme.size())) != kScheme)
    return {};
  return trim(authorization.substr(kScheme.size()));
}

/// The one thing that tells nothing about anybody: whether the server is up.
bool needs_no_key(const http::Request& request) {
  const bool reads = request.method == "GET" || request.method == "HEAD";
  return reads && (request.path == "/health" || request.path == "/v1/health");
}

bool is_json_type(std::string_view content_type) {
  const std::string type = lower(trim(content_type.substr(0, content_type.find(';'))));
  return type == "application/json" ||
         (type.starts_with("application/") && type.ends_with("+json"));
}

std::unique_ptr<http::Response> refusal(const ApiError& error) {
  return std::make_unique<http::Response>(error.response());
}

}  // namespace

std::string host_without_port(std::string_view authority) {
  const std::size_t bracket = authority.rfind(']');
  const std::size_t colon = authority.rfind(':');
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    authority = authority.substr(0, colon);
  }
  if (authority.ends_with('.')) authority.remove_suffix(1);
  return lower(authority);
}

Access::Access(const Options& options)
    : loopback_only_(options.loopback_only), origins_(options.allowed_origins) {
  for (const std::string& key : options.api_keys) key_digests_.push_back(digest_of(key));
  for (const std::string& host : options.allowed_hosts) hosts_.push_back(lower(host));
}

std::unique_ptr<http::Response> Access::refuse(const http::Request& request) const {
  if (loopback_only_ && !is_known_host(request)) {
    return refusal(
        ApiError(403, "permission_error",
                 "This Host is not served here; use localhost, or name it at the server's start.")
            .with_code("host_not_allowed"));
  }
  const bool has_origin = !request.header("origin").empty();
  const bool is_preflight = request.method == "OPTIONS" && has_origin;
  if (is_preflight) return std::make_unique<http::Response>(preflight(request));
  if (!needs_no_key(request) && !has_key(request)) {
    return refusal(ApiError(401, "authentication_error",
                            "Wrong or missing API key: send \"Authorization: Bearer KEY\".")
                       .with_code("invalid_api_key")
                       .with_header("WWW-Authenticate", "Bearer"));
  }
  if (request.method != "POST") return nullptr;
  // Without a preflight a page may post any form or plain text; nothing of that kind is taken from
  // one.
  if (has_origin && !is_json_type(request.header("content-type"))) {
    return refusal(
        ApiError(415, "invalid_request_error", "Content-Type must be application/json."));
  }
  const std::string encoding = lower(trim(request.header("content-encoding")));
  if (!encoding.empty() && encoding != "identity") {
    return refusal(ApiError(415, "invalid_request_error",
                            "Content-Encoding is not supported; send plain JSON."));
  }
  return nullptr;
}

http::Headers Access::cors_headers(const http::Request& request) const {
  if (request.header("origin").empty() || !is_known_origin(request)) return {};
  return {{"Access-Control-Allow-Origin", std::string(request.header("origin"))},
          {"Access-Control-Expose-Headers", "x-request-id, Retry-After"},
          {"Vary", "Origin"}};
}

http::Response Access::preflight(const http::Request& request) const {
  http::Headers headers = cors_headers(request);
  if (headers.empty()) {
    return ApiError(403, "permission_error", "Pages of this origin may not use this server.")
        .response();
  }
  const std::string_view wanted = request.header("access-control-request-headers");
  headers.emplace_back("Access-Control-Allow-Methods", "GET, POST, OPTIONS");
  // Named, not "*": that one would not cover Authorization.
  headers.emplace_back("Access-Control-Allow-Headers",
                       wanted.empty() ? "Authorization, Content-Type" : std::string(wanted));
  headers.emplace_back("Access-Control-Max-Age", "600");
  return {204, std::move(headers), ""};
}

bool Access::is_known_host(const http::Request& request) const {
  const std::string host = host_without_port(request.header("host"));
  // HTTP/1.0 has none; a browser always sends it.
  return host.empty() || is_loopback_name(host) || contains(hosts_, host);
}

bool Access::is_known_origin(const http::Request& request) const {
  const std::string origin = lower(request.header("origin"));
  if (contains(origins_, "*") || contains(origins_, origin)) return true;
  const std::size_t scheme = origin.find("://");
  if (scheme == std::string::npos ||
      (origin.compare(0, scheme, "http") != 0 && origin.compare(0, scheme, "https") != 0)) {
    return false;
  }
  const std::string authority = origin.substr(scheme + 3);
  return authority == lower(request.header("host")) ||
         is_loopback_name(host_without_port(authority));
}

bool Access::has_key(const http::Request& request) const {
  if (key_digests_.empty()) return true;
  // Digests have one length, and every key is compared: the time says nothing about where a guess
  // differs.
  const Digest bearer = digest_of(bearer_token(request.header("authorization")));
  const Digest plain = digest_of(request.header("x-api-key"));
  bool found = false;
  for (const Digest& key : key_digests_) {
    found |= equal_in_constant_time(key, bearer);
    found |= equal_in_constant_time(key, plain);
  }
  return found;
}

}  // namespace tandem::api
