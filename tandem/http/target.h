// What the first line and the Host header of a request may say: target forms, percent-decoding, path normalisation.
// Plain functions over strings; RequestReader calls them, and api for query parameters.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tandem::http {

/// A request-target taken apart (RFC 9112 §3.2).
struct Target {
  std::string path;       ///< decoded once, repeated slashes merged; "*" for OPTIONS *
  std::string query;      ///< without '?', not decoded
  std::string authority;  ///< of an absolute-form target, else empty
};

/// Takes origin-form, absolute-form (http or https) and, for OPTIONS, asterisk-form. Router and filters see the same `path`,
/// so there is nothing to trick: %2F counts as a slash, and a path with "." or ".." segments (encoded or not), a backslash
/// or a control character is refused. Throws Error{kInvalidArgument}.
Target parse_target(std::string_view method, std::string_view target);

/// Decodes %XX once. Throws Error{kInvalidArgument} on a '%' without two hexadecimal digits.
std::string percent_decode(std::string_view text);

/// The parameters of a query in their order, names and values decoded ('+' is a space). Throws as percent_decode.
std::vector<std::pair<std::string, std::string>> parse_query(std::string_view query);

/// Whether `host` is a name, IPv4 address or [IPv6 address], optionally with :port, and nothing else (no '/', '@', '?'):
/// what a Host header may hold. An empty one is valid (RFC 9112 §3.2).
bool is_valid_host(std::string_view host);

/// ASCII only, whatever the locale.
std::string to_lower(std::string_view text);

}  // namespace tandem::http
