// What OpenAI's JSON means: requests, answers, SSE chunks, status codes. `cli` makes the models,
// the server and the options, and calls `mount`; nothing here knows sockets, stages or the cluster.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "tandem/base/json.h"
#include "tandem/engine/engine.h"
#include "tandem/http/server.h"
#include "tandem/text/chat_template.h"
#include "tandem/text/tokenizer.h"

namespace tandem::api {

/// One model being served, and all that its answers depend on. Immutable once added to Models.
struct Model {
  std::string id;                    ///< what /v1/models lists and every answer names
  std::vector<std::string> aliases;  ///< further names that requests may use
  std::shared_ptr<engine::Engine> engine;
  std::shared_ptr<const text::Tokenizer> tokenizer;
  std::shared_ptr<const text::ChatTemplate>
      chat_template;  ///< null: /v1/chat/completions answers 400

  /// The tokenizer adds its BOS to a rendered conversation; false, as transformers'
  /// apply_chat_template does, when the template writes it itself.
  bool chat_adds_special_tokens = false;

  std::string model_type;          ///< config.json's, e.g. "llama"
  std::int64_t created = 0;        ///< Unix seconds
  std::int32_t max_model_len = 0;  ///< used until the engine's runner knows better
  std::int32_t vocab_size = 0;     ///< ids ≥ this are refused; 0: the tokenizer's size
  std::uint64_t num_params = 0, size_bytes = 0;
  std::string fingerprint;  ///< system_fingerprint; "": null. Should change when answers may
  std::vector<step::TokenId> end_ids;     ///< end a turn unless ignore_eos
  step::SamplingParams default_sampling;  ///< from generation_config.json; fields of a request win
  Json tokenizer_config;  ///< tokenizer_config.json for GET /tokenizer_info; an object or null

  /// The longest spelling in the vocabulary; Models::add computes it. Bounds how much text can fit
  /// the context.
  std::size_t max_token_bytes = 0;

  /// The context's length now: the runner's once it is formed, else `max_model_len`.
  std::int32_t context_length() const;
};

/// The models being served, by name. Safe from any thread; models may come while the server runs.
class Models {
 public:
  /// The first one added answers requests that name none. A model with the same id is replaced, in
  /// its place. Throws Error{kInvalidArgument} when id, engine or tokenizer is missing.
  void add(Model model);
  /// By id or alias; "" is the first. nullptr when there is none.
  std::shared_ptr<const Model> find(std::string_view name) const;
  /// In the order in which they were added.
  std::vector<std::shared_ptr<const Model>> list() const;

 private:
  mutable std::mutex mutex_;
  std::vector<std::shared_ptr<const Model>> models_;
};

enum class ReasoningField { kReasoningContent, kReasoning, kBoth };

struct Options {
  std::vector<std::string> api_keys;  ///< any of them opens every route; empty: no key is asked for
  /// Bound to loopback addresses alone: the Host header must name one of them (against DNS
  /// rebinding).
  bool loopback_only = true;
  std::vector<std::string> allowed_hosts;  ///< further Host names, without port
  std::vector<std::string>
      allowed_origins;  ///< beside same-origin and localhost; "*" allows every one
  ReasoningField reasoning_field = ReasoningField::kReasoningContent;
  Json version;  ///< the object of GET /version

  /// Called on the network thread and on preparing threads, so they must not block; may be empty.
  std::function<Json()> cluster;        ///< GET /cluster
  std::function<Json()> health_detail;  ///< becomes "cluster" in GET /health
  /// Why nobody should be sent here although engines are ready ("draining"), or "". Before the
  /// first model is added: what the head waits for.
  std::function<std::string()> unready_reason;

  int preparing_threads = 2;                   ///< they parse, render and encode
  std::size_t max_waiting_requests = 512;      ///< for those threads; beyond: 429
  std::size_t max_waiting_bytes = 256u << 20;  ///< bodies of those requests; beyond: 429
};

/// Adds the routes, the filter and the error bodies of the API to `server`. `models` outlives the
/// server; the models' engines may outlive it or not. Call before Server::start.
void mount(http::Server& server, Models& models, Options options);

}  // namespace tandem::api
