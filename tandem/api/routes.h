// The routes of the API, and what their handlers share. Only mount.cc and the routes_*.cc know this
// header.
#pragma once

#include <memory>

#include "tandem/api/access.h"
#include "tandem/api/api.h"
#include "tandem/api/exchange.h"
#include "tandem/api/json_body.h"
#include "tandem/api/work_pool.h"

namespace tandem::api {

/// Lives as long as the server's handlers. The pools come last: their threads end before anything
/// that they use.
struct Context {
  Context(Models& models, Options options);

  Models& models;
  const Options options;
  const Access access;
  WorkPool preparers;
  WorkPool collector;  ///< one thread that reads tokens into whole answers
};

/// Answers a request whose body has been read; runs on a preparing thread. What it throws becomes
/// the answer.
using JsonHandler = void (*)(Context& context, const Field& body, Exchange& exchange);

/// The model that the body names. ApiError 404 that lists the served ones; 503 with the head's
/// reason when there is none yet.
std::shared_ptr<const Model> served_model(const Context& context, const Field& body);

void answer_chat(Context& context, const Field& body, Exchange& exchange);
void answer_completion(Context& context, const Field& body, Exchange& exchange);
void answer_tokenize(Context& context, const Field& body, Exchange& exchange);
void answer_detokenize(Context& context, const Field& body, Exchange& exchange);

/// Cheap answers, made on the network thread. What they throw becomes the answer.
http::Response health(const Context& context);
http::Response list_models(const Context& context);
http::Response show_model(const Context& context, const http::Request& request);
http::Response version(const Context& context);
http::Response tokenizer_info(const Context& context);
http::Response cluster(const Context& context);

}  // namespace tandem::api
