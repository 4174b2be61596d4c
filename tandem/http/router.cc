#include "tandem/http/router.h"

#include <utility>

namespace tandem::http {

void Router::add(std::string method, std::string path, Handler handler) {
  const bool is_prefix = path.ends_with("/*");
  if (is_prefix) path.pop_back();
  (is_prefix ? prefixes_ : exact_)[std::move(path)][std::move(method)] = std::move(handler);
}

Router::Match Router::find(std::string_view method, std::string_view path) const {
  Match match;
  const Methods* methods = find_methods(path);
  if (methods == nullptr) return match;
  for (const auto& [name, handler] : *methods) match.allow += name + ", ";
  if (methods->contains("GET") && !methods->contains("HEAD")) match.allow += "HEAD, ";
  if (!methods->contains("OPTIONS")) match.allow += "OPTIONS, ";
  match.allow.resize(match.allow.size() - 2);
  auto found = methods->find(method);
  if (found == methods->end() && method == "HEAD") found = methods->find("GET");
  if (found != methods->end()) match.handler = &found->second;
  return match;
}

const Router::Methods* Router::find_methods(std::string_view path) const {
  if (const auto found = exact_.find(path); found != exact_.end()) return &found->second;
  for (std::size_t slash = path.rfind('/'); slash != std::string_view::npos; slash = path.rfind('/', slash - 1)) {
    const auto found = prefixes_.find(path.substr(0, slash + 1));
    if (found != prefixes_.end()) return &found->second;
    if (slash == 0) break;
  }
  return nullptr;
}

}  // namespace tandem::http
