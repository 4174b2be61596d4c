// Puts the API on a server: which route goes to which handler, on which thread.
#include "tandem/api/api_error.h"
#include "tandem/api/request/generation_fields.h"
#include "tandem/api/routes.h"

namespace tandem::api {
namespace {

using ContextPtr = std::shared_ptr<Context>;

/// The wall: whatever is thrown while a request is prepared becomes its answer.
void run(Context& context, JsonHandler handler, Exchange& exchange) {
  const std::optional<std::string> text = exchange.take_body();
  if (!text) return;
  try {
    const Json body = parse_body(*text);
    handler(context, Field(body), exchange);
  } catch (const std::exception& e) {
    exchange.send(to_api_error(e, exchange.request_id()).response());
  }
}

http::Handler on_preparing_thread(const ContextPtr& context, JsonHandler handler) {
  return [context, handler](http::Request request, http::Responder responder) {
    const std::size_t bytes = request.body.size();
    http::Headers cors = context->access.cors_headers(request);
    auto exchange =
        std::make_shared<Exchange>(std::move(request), std::move(responder), std::move(cors));
    // A plain pointer: the pool's threads end before the context does, and must not be what ends
    // it.
    const auto job = [context = context.get(), handler, exchange] {
      run(*context, handler, *exchange);
    };
    if (!context->preparers.entrance().post(job, bytes)) {
      exchange->send(
          too_busy("Too many requests wait to be read; try again in a moment.").response());
    }
  };
}

http::Handler on_network_thread(const ContextPtr& context,
                                std::function<http::Response(const http::Request&)> handler) {
  return [context, handler = std::move(handler)](http::Request request, http::Responder responder) {
    http::Response response;
    try {
      response = handler(request);
    } catch (const std::exception& e) {
      response = to_api_error(e, request.id).response();
    }
    const http::Headers cors = context->access.cors_headers(request);
    response.headers.insert(response.headers.end(), cors.begin(), cors.end());
    responder.send(std::move(response));
  };
}

void mount_info(http::Server& server, const ContextPtr& context) {
  const auto get = [&](const char* path, http::Response (*handler)(const Context&)) {
    server.route("GET", path, on_network_thread(context, [c = context.get(), handler](const auto&) {
                   return handler(*c);
                 }));
  };
  get("/health", health);
  get("/v1/health", health);
  get("/v1/models", list_models);
  get("/models", list_models);
  get("/version", version);
  get("/tokenizer_info", tokenizer_info);
  get("/cluster", cluster);
  server.route("GET", "/v1/models/*",
               on_network_thread(context, [c = context.get()](const http::Request& request) {
                 return show_model(*c, request);
               }));
}

void mount_refusals(http::Server& server, const ContextPtr& context) {
  const auto refuse = [&](const char* method, const char* path, const std::string& what) {
    server.route(method, path, on_network_thread(context, [what](const auto&) -> http::Response {
                   throw not_offered("", what);
                 }));
  };
  refuse("POST", "/v1/embeddings", "Embeddings are");
  refuse("POST", "/embeddings", "Embeddings are");
  refuse("POST", "/v1/responses", "The Responses API is");
  refuse("POST", "/v1/messages", "The Messages API is");
  refuse("GET", "/metrics", "Metrics are");
}

}  // namespace

Context::Context(Models& models, Options options)
    : models(models),
      options(std::move(options)),
      access(this->options),
      preparers(this->options.preparing_threads, this->options.max_waiting_requests,
                this->options.max_waiting_bytes),
      // Answers coalesce their wakes, so there are never more jobs than answers in flight.
      collector(1, SIZE_MAX, SIZE_MAX) {}

std::shared_ptr<const Model> served_model(const Context& context, const Field& body) {
  if (!context.models.find("") && context.options.unready_reason) {
    throw unavailable(context.options.unready_reason());
  }
  return find_model(context.models, parse_model_name(body));
}

void mount(http::Server& server, Models& models, Options options) {
  const auto context = std::make_shared<Context>(models, std::move(options));
  server.set_filter(
      [context](const http::Request& request) { return context->access.refuse(request); });
  server.set_error_body(error_body);
  mount_info(server, context);
  mount_refusals(server, context);
  const auto post = [&](const char* path, JsonHandler handler) {
    server.route("POST", path, on_preparing_thread(context, handler));
  };
  post("/v1/chat/completions", answer_chat);
  post("/chat/completions", answer_chat);
  post("/v1/completions", answer_completion);
  post("/completions", answer_completion);
  post("/tokenize", answer_tokenize);
  post("/v1/tokenize", answer_tokenize);
  post("/detokenize", answer_detokenize);
  post("/v1/detokenize", answer_detokenize);
}

}  // namespace tandem::api
