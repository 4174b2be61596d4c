// Which handler answers a method and a path. Filled before the server starts, then only read.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "tandem/http/server.h"

namespace tandem::http {

class Router {
 public:
  /// `path` is exact, or a prefix when it ends in "/*"; a later handler for the same method and path wins.
  void add(std::string method, std::string path, Handler handler);

  struct Match {
    const Handler* handler = nullptr;  ///< null: nobody answers this method here
    std::string allow;  ///< the methods of this path as an Allow header; empty: the path is unknown
  };
  /// An exact path goes before a prefix, a longer prefix before a shorter one. HEAD falls back to GET.
  Match find(std::string_view method, std::string_view path) const;

 private:
  using Methods = std::map<std::string, Handler, std::less<>>;
  const Methods* find_methods(std::string_view path) const;

  std::map<std::string, Methods, std::less<>> exact_, prefixes_;
};

}  // namespace tandem::http
