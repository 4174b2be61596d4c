// The fields that both generation endpoints share; see generation_fields.h.
#include "tandem/api/request/generation_fields.h"

#include <algorithm>
#include <limits>

#include "tandem/api/api_error.h"
#include "tandem/base/hash.h"
#include "tandem/base/log.h"
#include "tandem/base/strings.h"

namespace tandem::api {
namespace {

constexpr std::int64_t kMaxInt32 = std::numeric_limits<std::int32_t>::max();

constexpr std::string_view kSharedFields[] = {
    "model", "stream", "stream_options", "temperature", "top_p", "top_k", "min_p",
    "repetition_penalty", "repeat_penalty", "frequency_penalty", "presence_penalty", "logit_bias",
    "seed", "n", "max_tokens", "max_completion_tokens", "min_tokens", "stop", "stop_token_ids",
    "ignore_eos", "include_stop_str_in_output", "skip_special_tokens", "logprobs", "top_logprobs",
    "return_token_ids", "return_tokens_as_token_ids", "add_special_tokens", "best_of", "echo",
    "suffix", "prompt_logprobs",
    // Accepted, without effect here:
    "user", "store", "metadata", "service_tier", "safety_identifier", "prompt_cache_key",
    "prompt_cache_options", "prompt_cache_retention", "verbosity", "modalities", "prediction",
    "web_search_options", "moderation", "cache_prompt", "include_obfuscation",
    "parallel_tool_calls"};

/// Members that change what is generated and that nobody here implements yet: silence would be a
/// wrong answer.
void refuse_what_is_not_offered(const Field& body) {
  for (const char* name :
       {"structured_outputs", "guided_json", "guided_regex", "guided_choice", "guided_grammar",
        "grammar", "json_schema", "prompt_embeds", "thinking_token_budget"}) {
    if (const Field field = body[name]; field && !field.json().empty()) {
      throw not_offered(name, "\"" + std::string(name) + "\" is");
    }
  }
  if (body["prompt_logprobs"]) throw not_offered("prompt_logprobs", "\"prompt_logprobs\" is");
  if (body["best_of"].integer_or(1, 1, kMaxInt32) > 1)
    throw not_offered("best_of", "\"best_of\" greater than 1 is");
  if (body["use_beam_search"].bool_or(false))
    throw not_offered("use_beam_search", "Beam search is");
  if (body["echo"].bool_or(false)) throw not_offered("echo", "\"echo\" is");
  if (const Field suffix = body["suffix"]; suffix && !suffix.as_string(kMaxTextBytes).empty()) {
    throw not_offered("suffix", "\"suffix\" (fill in the middle) is");
  }
}

float number_or(const Field& field, float absent, const NumberRange& range) {
  return field ? static_cast<float>(field.as_number(range)) : absent;
}

float parse_temperature(const Field& field, float absent) {
  const float temperature = number_or(field, absent, {0, kMaxTemperature});
  // Below a hundredth logits / temperature may overflow; the result is greedy all the same. vLLM
  // draws the same line.
  constexpr float kSmallest = 0.01f;
  return temperature > 0 && temperature < kSmallest ? kSmallest : temperature;
}

std::vector<std::pair<std::int32_t, float>> parse_logit_bias(const Field& field,
                                                             std::int32_t vocab_size) {
  std::vector<std::pair<std::int32_t, float>> biases;
  if (!field) return biases;
  if (!field.is_object()) field.fail("must be an object from token ids to numbers");
  if (field.json().size() > kMaxLogitBias)
    field.fail("has more than " + std::to_string(kMaxLogitBias) + " entries");
  for (const auto& [key, value] : field.json().items()) {
    const Field entry = field[key];
    const auto id = parse_int(key);
    if (!id || *id < 0 || *id >= vocab_size) {
      entry.fail("the key must be a token id from 0 to " + std::to_string(vocab_size - 1));
    }
    if (!entry) continue;
    biases.emplace_back(static_cast<std::int32_t>(*id),
                        static_cast<float>(entry.as_number({-100, 100})));
  }
  // "7" and "07" are two keys and one token.
  std::sort(biases.begin(), biases.end());
  const auto same_id = [](const auto& a, const auto& b) { return a.first == b.first; };
  if (std::adjacent_find(biases.begin(), biases.end(), same_id) != biases.end())
    field.fail("names one token twice");
  return biases;
}

step::SamplingParams parse_sampling(const Field& body, const Model& model) {
  const step::SamplingParams& defaults = model.default_sampling;
  step::SamplingParams sampling = defaults;
  sampling.temperature = parse_temperature(body["temperature"], defaults.temperature);
  sampling.top_p = number_or(body["top_p"], defaults.top_p, {.min = 0, .max = 1, .open_min = true});
  sampling.top_k =
      static_cast<std::int32_t>(body["top_k"].integer_or(defaults.top_k, -1, kMaxInt32));
  sampling.min_p = number_or(body["min_p"], defaults.min_p, {0, 1});
  const Field repetition =
      body["repetition_penalty"] ? body["repetition_penalty"] : body["repeat_penalty"];
  sampling.repetition_penalty =
      number_or(repetition, defaults.repetition_penalty, {.min = 0, .max = 2, .open_min = true});
  sampling.frequency_penalty =
      number_or(body["frequency_penalty"], defaults.frequency_penalty, {-2, 2});
  sampling.presence_penalty =
      number_or(body["presence_penalty"], defaults.presence_penalty, {-2, 2});
  if (body["logit_bias"])
    sampling.logit_bias = parse_logit_bias(body["logit_bias"], model.vocab_size);
  // A float holds fewer values than the double that was checked: 1e-60 must not become an open
  // bound.
  sampling.top_p = std::max(sampling.top_p, std::numeric_limits<float>::min());
  sampling.repetition_penalty =
      std::max(sampling.repetition_penalty, std::numeric_limits<float>::min());
  return sampling;
}

/// -1, or how many alternatives besides the drawn token's log-probability are wanted.
std::int32_t parse_num_logprobs(const Field& body, Endpoint endpoint) {
  const Field logprobs = body["logprobs"];
  if (endpoint == Endpoint::kCompletions) {
    return static_cast<std::int32_t>(logprobs.integer_or(-1, 0, kMaxTopLogprobs));
  }
  const Field top = body["top_logprobs"];
  const bool wanted = logprobs.bool_or(false);
  const auto num_top = static_cast<std::int32_t>(top.integer_or(0, 0, kMaxTopLogprobs));
  if (num_top > 0 && !wanted) top.fail("needs \"logprobs\": true");
  return wanted ? num_top : -1;
}

std::vector<std::string> parse_stops(const Field& field) {
  std::vector<std::string> stops;
  if (!field) return stops;
  if (field.is_string()) {
    stops.push_back(field.as_string(kMaxStopBytes));
  } else if (field.is_array()) {
    const std::size_t count = field.array_size(kMaxStops);
    for (std::size_t i = 0; i < count; ++i) stops.push_back(field.at(i).as_string(kMaxStopBytes));
  } else {
    field.fail("must be a string or an array of strings");
  }
  std::erase(stops, "");
  return stops;
}

/// max_completion_tokens wins over max_tokens; both are checked.
std::int32_t parse_max_tokens(const Field& body, Endpoint endpoint) {
  constexpr std::int64_t kLegacyDefault = 16;
  std::int64_t limit = body["max_tokens"].integer_or(
      endpoint == Endpoint::kCompletions ? kLegacyDefault : -1, 1, kMaxInt32);
  if (endpoint == Endpoint::kChat)
    limit = body["max_completion_tokens"].integer_or(limit, 1, kMaxInt32);
  return static_cast<std::int32_t>(limit);
}

void parse_streaming(const Field& body, GenerationFields& fields) {
  fields.stream = body["stream"].bool_or(false);
  // stream_options without stream: tolerated, without effect.
  const Field options = body["stream_options"];
  fields.include_usage = options["include_usage"].bool_or(false);
  fields.continuous_usage = options["continuous_usage_stats"].bool_or(false);
}

/// All ids that end a choice, each once: the model's own first.
std::vector<step::TokenId> all_end_ids(const GenerationFields& fields, const Model& model) {
  std::vector<step::TokenId> ids = model.end_ids;
  for (const step::TokenId id : fields.stop_token_ids) {
    if (std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
  }
  return ids;
}

std::uint64_t random_seed() {
  std::uint64_t seed = 0;
  random_bytes({reinterpret_cast<std::uint8_t*>(&seed), sizeof seed});
  return seed;
}

}  // namespace

GenerationFields parse_generation_fields(const Field& body, Endpoint endpoint, const Model& model) {
  refuse_what_is_not_offered(body);
  GenerationFields fields;
  fields.sampling = parse_sampling(body, model);
  fields.sampling.num_logprobs = std::min(parse_num_logprobs(body, endpoint), model.vocab_size);
  if (const Field seed = body["seed"]) {
    const std::int64_t given = seed.as_integer(std::numeric_limits<std::int64_t>::min(),
                                               std::numeric_limits<std::int64_t>::max());
    if (given != -1)
      fields.seed = static_cast<std::uint64_t>(given);  // -1 is "none", as in vLLM and llama-server
  }
  fields.n = static_cast<std::int32_t>(body["n"].integer_or(1, 1, kMaxChoices));
  fields.max_tokens = parse_max_tokens(body, endpoint);
  const std::int64_t most = fields.max_tokens < 0 ? kMaxInt32 : fields.max_tokens;
  if (const Field min = body["min_tokens"]) {
    fields.sampling.min_tokens = static_cast<std::int32_t>(min.as_integer(0, kMaxInt32));
    if (fields.sampling.min_tokens > most)
      min.fail("is greater than max_tokens, which is " + std::to_string(most));
  }
  fields.stop = parse_stops(body["stop"]);
  if (const Field ids = body["stop_token_ids"]) {
    fields.stop_token_ids = parse_token_ids(ids, model.vocab_size, kMaxStopTokenIds);
    if (all_end_ids(fields, model).size() > kMaxStopTokenIds) {
      ids.fail("together with the model's own end tokens at most " +
               std::to_string(kMaxStopTokenIds) + " are allowed");
    }
  }
  fields.ignore_eos = body["ignore_eos"].bool_or(false);
  fields.include_stop_str = body["include_stop_str_in_output"].bool_or(false);
  fields.skip_special_tokens = body["skip_special_tokens"].bool_or(true);
  fields.return_token_ids = body["return_token_ids"].bool_or(false);
  fields.tokens_as_ids = body["return_tokens_as_token_ids"].bool_or(false);
  parse_streaming(body, fields);
  return fields;
}

engine::GenerationRequest make_engine_request(const GenerationFields& fields, const Model& model,
                                              std::string id, std::vector<step::TokenId> prompt) {
  engine::GenerationRequest request;
  request.id = std::move(id);
  request.prompt = std::move(prompt);
  request.sampling = fields.sampling;
  request.sampling.seed = fields.seed.value_or(random_seed());
  // Under ignore_eos too, min_tokens forbids the end tokens: vLLM's meaning.
  if (fields.sampling.min_tokens > 0) request.sampling.end_ids = all_end_ids(fields, model);
  request.n = fields.n;
  request.max_tokens = fields.max_tokens;
  if (!fields.ignore_eos) request.end_ids = model.end_ids;
  request.stop_token_ids = fields.stop_token_ids;
  return request;
}

std::vector<step::TokenId> parse_token_ids(const Field& list, std::int32_t vocab_size,
                                           std::size_t max) {
  const std::size_t count = list.array_size(max);
  std::vector<step::TokenId> ids;
  ids.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const Json& value = list.json()[i];
    if (value.is_number_unsigned() &&
        value.get<std::uint64_t>() < static_cast<std::uint64_t>(vocab_size)) {
      ids.push_back(value.get<step::TokenId>());
    } else {
      list.at(i).fail("must be a token id from 0 to " + std::to_string(vocab_size - 1));
    }
  }
  return ids;
}

std::string parse_model_name(const Field& body) {
  const Field name = body["model"];
  return name ? name.as_string(kMaxNameBytes) : std::string();
}

std::shared_ptr<const Model> find_model(const Models& models, const std::string& name) {
  if (auto model = models.find(name)) return model;
  std::vector<std::string> served;
  for (const auto& model : models.list()) served.push_back(model->id);
  if (served.empty()) throw unavailable("No model is loaded yet.");
  throw ApiError(
      404, "invalid_request_error",
      "The model \"" + name + "\" is not served here; served: " + join(served, ", ") + ".")
      .with_param("model")
      .with_code("model_not_found");
}

void log_unknown_fields(const Field& body, std::span<const std::string_view> own_fields) {
  if (!spdlog::should_log(spdlog::level::debug)) return;
  const auto known = [&](const std::string& key) {
    return std::find(std::begin(kSharedFields), std::end(kSharedFields), key) !=
               std::end(kSharedFields) ||
           std::find(own_fields.begin(), own_fields.end(), key) != own_fields.end();
  };
  for (const auto& [key, value] : body.json().items()) {
    if (!known(key)) log::debug("ignored request field {}", member_path("", key));
  }
}

}  // namespace tandem::api
