// Where the running server is, for verbs that talk to it.
#pragma once

#include <string>

#include "tandem/http/client.h"

namespace CLI {
class App;
}

namespace tandem::cli {

struct ServerOptions {
  std::string url;       ///< default: $TANDEM_URL, else http://localhost:8100
  std::string api_key;   ///< default: $TANDEM_API_KEY, else $OPENAI_API_KEY
};
void add_server_options(CLI::App& verb, ServerOptions& options);
http::Client make_client(const ServerOptions& options);

}  // namespace tandem::cli
