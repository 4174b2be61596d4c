#include "tandem/http/target.h"

#include <algorithm>

#include "tandem/base/error.h"

namespace tandem::http {
namespace {

[[noreturn]] void refuse(const std::string& why) {
  throw Error(Code::kInvalidArgument, "request target: " + why);
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Splits "http://authority/path?query"; nullopt-like empty authority when `target` is not in absolute form.
std::string_view take_authority(std::string_view& target) {
  const std::string lower = to_lower(target.substr(0, 8));
  std::size_t scheme = 0;
  if (lower.starts_with("http://")) scheme = 7;
  if (lower.starts_with("https://")) scheme = 8;
  if (scheme == 0) refuse("neither a path nor an http:// address");
  target.remove_prefix(scheme);
  const std::string_view authority = target.substr(0, target.find_first_of("/?"));
  if (authority.empty() || !is_valid_host(authority)) refuse("bad authority");
  target.remove_prefix(authority.size());
  return authority;
}

// Merges repeated slashes and refuses what could name another path than it shows.
std::string normalize(const std::string& decoded) {
  std::string path;
  path.reserve(decoded.size());
  for (const char c : decoded) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) refuse("control character in the path");
    if (c == '\\') refuse("backslash in the path");
    if (c == '/' && !path.empty() && path.back() == '/') continue;
    path += c;
  }
  for (std::size_t start = 0; start < path.size();) {
    const std::size_t end = std::min(path.find('/', start), path.size());
    const std::string_view segment = std::string_view(path).substr(start, end - start);
    if (segment == "." || segment == "..") refuse("\".\" or \"..\" in the path");
    start = end + 1;
  }
  return path;
}

}  // namespace

Target parse_target(std::string_view method, std::string_view target) {
  for (const char c : target) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte >= 0x7f || c == '#') refuse("character that must be percent-encoded");
  }
  Target parsed;
  if (target == "*") {
    if (method != "OPTIONS") refuse("\"*\" is for OPTIONS");
    parsed.path = "*";
    return parsed;
  }
  if (!target.starts_with('/')) parsed.authority = take_authority(target);
  const std::size_t question = target.find('?');
  if (question != std::string_view::npos) parsed.query = target.substr(question + 1);
  parsed.path = normalize(percent_decode(target.substr(0, question)));
  if (parsed.path.empty()) parsed.path = "/";
  return parsed;
}

std::string percent_decode(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
    const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
    if (high < 0 || low < 0) refuse("'%' without two hexadecimal digits");
    decoded += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return decoded;
}

std::vector<std::pair<std::string, std::string>> parse_query(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> parameters;
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    std::string pair(query.substr(0, end));
    query.remove_prefix(std::min(end + 1, query.size()));
    if (pair.empty()) continue;
    std::replace(pair.begin(), pair.end(), '+', ' ');
    const std::size_t equals = std::min(pair.find('='), pair.size());
    const std::string_view value = std::string_view(pair).substr(std::min(equals + 1, pair.size()));
    parameters.emplace_back(percent_decode(std::string_view(pair).substr(0, equals)), percent_decode(value));
  }
  return parameters;
}

bool is_valid_host(std::string_view host) {
  std::string_view port;
  if (host.starts_with('[')) {
    const std::size_t bracket = host.find(']');
    if (bracket == std::string_view::npos || bracket < 3) return false;
    for (const char c : host.substr(1, bracket - 1)) {
      if (hex_value(c) < 0 && c != ':' && c != '.') return false;
    }
    port = host.substr(bracket + 1);
  } else {
    const std::size_t colon = std::min(host.find(':'), host.size());
    for (const char c : host.substr(0, colon)) {
      if (!is_alpha(c) && !is_digit(c) && c != '-' && c != '.' && c != '_') return false;
    }
    if (colon == 0 && !host.empty()) return false;
    port = host.substr(colon);
  }
  if (port.empty()) return true;
  if (port.front() != ':' || port.size() > 6) return false;
  return std::all_of(port.begin() + 1, port.end(), is_digit);
}

std::string to_lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

}  // namespace tandem::http
