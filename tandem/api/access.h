// Who may ask: API keys, Host names (against DNS rebinding), origins (CORS), and what a browser may
// post.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tandem/api/api.h"
#include "tandem/base/hash.h"

namespace tandem::api {

class Access {
 public:
  explicit Access(const Options& options);

  /// The filter before routing: nullptr lets the request in. Answers preflights itself.
  std::unique_ptr<http::Response> refuse(const http::Request& request) const;
  /// The headers that let the page at the request's Origin read the answer; none for a stranger's.
  http::Headers cors_headers(const http::Request& request) const;

 private:
  bool is_known_host(const http::Request& request) const;
  bool is_known_origin(const http::Request& request) const;
  bool has_key(const http::Request& request) const;
  http::Response preflight(const http::Request& request) const;

  std::vector<Digest> key_digests_;
  bool loopback_only_;
  std::vector<std::string> hosts_, origins_;
};

/// "example.org" of "Example.org:8100", "[::1]" of "[::1]:8100"; lower case, without a trailing
/// dot.
std::string host_without_port(std::string_view authority);

}  // namespace tandem::api
