// The GET routes: health, models, version, tokenizer, cluster.
#include "tandem/api/api_error.h"
#include "tandem/api/request/generation_fields.h"
#include "tandem/api/routes.h"
#include "tandem/api/wire.h"

namespace tandem::api {
namespace {

const char* state_name(step::RunnerInfo::State state) {
  switch (state) {
    case step::RunnerInfo::State::kForming:
      return "forming";
    case step::RunnerInfo::State::kLoading:
      return "loading";
    case step::RunnerInfo::State::kReady:
      return "ready";
    case step::RunnerInfo::State::kFailed:
      return "failed";
  }
  return "unknown";
}

Json model_health(const Model& model, const step::RunnerInfo& info) {
  const engine::EngineStats stats = model.engine->stats();
  Json health = {{"id", model.id},
                 {"state", state_name(info.state)},
                 {"ranks", info.num_ranks},
                 {"generation", info.generation},
                 {"running", stats.num_running},
                 {"waiting", stats.num_waiting}};
  if (!info.reason.empty()) health["reason"] = info.reason;
  return health;
}

Json describe(const Model& model) {
  const std::int32_t length = model.context_length();
  return {{"id", model.id},
          {"object", "model"},
          {"created", model.created},
          {"owned_by", "tandem"},
          {"root", model.id},
          {"parent", nullptr},
          {"aliases", model.aliases},
          {"max_model_len", length},
          {"meta",
           {{"n_ctx", length},
            {"n_params", model.num_params},
            {"size", model.size_bytes},
            {"n_vocab", model.vocab_size},
            {"model_type", model.model_type}}}};
}

/// tokenizer_config.json has its tokens as strings or as {"content": "…"}; clients expect strings.
Json token_text(const Json& config, const char* name, const std::string& absent) {
  if (config.contains(name)) {
    const Json& token = config[name];
    if (token.is_string()) return token;
    if (token.is_object() && token.contains("content")) return token["content"];
  }
  return null_if_empty(absent);
}

}  // namespace

http::Response health(const Context& context) {
  const Options& options = context.options;
  std::string reason = options.unready_reason ? options.unready_reason() : "";
  bool is_ready = reason.empty();
  const char* status = is_ready ? "loading" : "unavailable";
  Json models = Json::array();
  for (const auto& model : context.models.list()) {
    const step::RunnerInfo info = model->engine->info();
    models.push_back(model_health(*model, info));
    if (info.state == step::RunnerInfo::State::kReady) continue;
    status = state_name(info.state);
    is_ready = false;
    if (reason.empty()) reason = info.reason.empty() ? "Loading model" : info.reason;
  }
  if (models.empty()) {
    is_ready = false;
    if (reason.empty()) reason = "Loading model";
  }
  Json details = {{"models", std::move(models)}};
  if (options.health_detail) details["cluster"] = options.health_detail();
  if (is_ready) {
    Json body = {{"status", "ok"}};
    body.update(details);
    return json_response(200, body);
  }
  http::Response response = unavailable(reason).response();
  Json body = {{"status", status}};
  body.update(unavailable(reason).body());
  body.update(details);
  response.body = dump_json(body);
  return response;
}

http::Response list_models(const Context& context) {
  Json data = Json::array();
  for (const auto& model : context.models.list()) data.push_back(describe(*model));
  return json_response(200, {{"object", "list"}, {"data", std::move(data)}});
}

http::Response show_model(const Context& context, const http::Request& request) {
  constexpr std::string_view kPrefix = "/v1/models/";
  const std::string name = request.path.substr(std::min(kPrefix.size(), request.path.size()));
  if (name.empty()) return list_models(context);
  return json_response(200, describe(*find_model(context.models, name)));
}

http::Response version(const Context& context) {
  return json_response(200, context.options.version.is_object()
                                ? context.options.version
                                : Json{{"version", TANDEM_VERSION}});
}

http::Response tokenizer_info(const Context& context) {
  const auto model = find_model(context.models, "");
  Json info = model->tokenizer_config.is_object() ? model->tokenizer_config : Json::object();
  info["bos_token"] = token_text(info, "bos_token", model->tokenizer->bos_token());
  info["eos_token"] = token_text(info, "eos_token", model->tokenizer->eos_token());
  info["chat_template"] =
      model->chat_template ? Json(model->chat_template->source()) : Json(nullptr);
  if (!info.contains("tokenizer_class")) info["tokenizer_class"] = "PreTrainedTokenizerFast";
  return json_response(200, info);
}

http::Response cluster(const Context& context) {
  if (!context.options.cluster)
    throw ApiError(404, "invalid_request_error", "This server has no cluster to show.");
  return json_response(200, context.options.cluster());
}

}  // namespace tandem::api
