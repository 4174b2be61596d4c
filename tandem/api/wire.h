// JSON as it leaves the server.
#pragma once

#include "tandem/base/json.h"
#include "tandem/http/server.h"

namespace tandem::api {

inline http::Response json_response(int status, const Json& body) {
  return {status, {{"Content-Type", "application/json"}}, dump_json(body)};
}

/// Null for "".
inline Json null_if_empty(const std::string& text) {
  return text.empty() ? Json(nullptr) : Json(text);
}

}  // namespace tandem::api
