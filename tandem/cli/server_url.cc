#include "tandem/cli/server_url.h"

#include <CLI/CLI.hpp>
#include <cstdlib>

namespace tandem::cli {
namespace {

std::string first_set(std::initializer_list<const char*> names, const std::string& otherwise) {
  for (const char* name : names) {
    const char* value = std::getenv(name);
    if (value != nullptr && *value != '\0') return value;
  }
  return otherwise;
}

}  // namespace

void add_server_options(CLI::App& verb, ServerOptions& options) {
  verb.add_option("--url", options.url, "the server (default: $TANDEM_URL, else http://localhost:8100)");
  verb.add_option("--api-key", options.api_key, "its key (default: $TANDEM_API_KEY, else $OPENAI_API_KEY)");
}

http::Client make_client(const ServerOptions& options) {
  std::string url = options.url.empty() ? first_set({"TANDEM_URL"}, "http://localhost:8100") : options.url;
  // Clients of OpenAI's API are given the address with /v1; the verbs here add it themselves.
  for (const std::string_view suffix : {"/", "/v1"}) {
    if (url.size() > suffix.size() && url.ends_with(suffix)) url.resize(url.size() - suffix.size());
  }
  http::Headers headers;
  const std::string key = options.api_key.empty() ? first_set({"TANDEM_API_KEY", "OPENAI_API_KEY"}, "") : options.api_key;
  if (!key.empty()) headers.emplace_back("Authorization", "Bearer " + key);
  return http::Client(url, std::move(headers));
}

}  // namespace tandem::cli
