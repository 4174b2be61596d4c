// POST /v1/chat/completions and /v1/completions.
#include <chrono>

#include "tandem/api/answer/answer.h"
#include "tandem/api/api_error.h"
#include "tandem/api/request/chat_request.h"
#include "tandem/api/request/completion_request.h"
#include "tandem/api/routes.h"
#include "tandem/base/hash.h"

namespace tandem::api {
namespace {

std::string random_id(const char* prefix) {
  std::array<std::uint8_t, 16> bytes;
  random_bytes(bytes);
  return prefix + to_hex(bytes);
}

std::int64_t unix_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

/// Refuses before templates and tokenizers have worked for nothing; the engine would refuse later.
void require_ready(const Context& context, const Model& model) {
  if (context.options.unready_reason) {
    if (std::string reason = context.options.unready_reason(); !reason.empty())
      throw unavailable(reason);
  }
  const step::RunnerInfo info = model.engine->info();
  if (info.state != step::RunnerInfo::State::kReady) {
    throw unavailable(info.reason.empty() ? "The model \"" + model.id + "\" is loading."
                                          : info.reason);
  }
}

ReasoningSplitter::Mode reasoning_mode(const ChatPrompt& prompt, const Model& model) {
  if (prompt.opens_thinking) return ReasoningSplitter::Mode::kInside;
  const bool template_knows = model.chat_template->source().find("<think>") != std::string::npos;
  return template_knows ? ReasoningSplitter::Mode::kMayBegin : ReasoningSplitter::Mode::kOff;
}

AssemblerOptions assembler_options(const GenerationFields& fields) {
  return {.stop = fields.stop,
          .include_stop_str = fields.include_stop_str,
          .skip_special_tokens = fields.skip_special_tokens,
          .min_tokens = fields.sampling.min_tokens};
}

AnswerHead answer_head(const Context& context, std::string id, std::shared_ptr<const Model> model,
                       const GenerationFields& fields,
                       const std::vector<std::vector<step::TokenId>>& prompts) {
  return {.id = std::move(id),
          .created = unix_seconds(),
          .model = std::move(model),
          .wants_logprobs = fields.sampling.num_logprobs >= 0,
          .wants_token_ids = fields.return_token_ids,
          .tokens_as_ids = fields.tokens_as_ids,
          .reasoning_field = context.options.reasoning_field,
          .prompts = fields.return_token_ids ? prompts : std::vector<std::vector<step::TokenId>>(),
          .n = fields.n};
}

std::shared_ptr<Generation> make_generation(const std::shared_ptr<const Model>& model,
                                            const std::string& id, const GenerationFields& fields,
                                            AssemblerOptions options,
                                            std::vector<std::vector<step::TokenId>> prompts) {
  std::vector<engine::GenerationRequest> requests;
  for (std::vector<step::TokenId>& prompt : prompts) {
    requests.push_back(make_engine_request(fields, *model, id, std::move(prompt)));
  }
  return std::make_shared<Generation>(model, std::move(requests), std::move(options));
}

/// Submits, and lets the front end that the client chose take over. From here on a refusal is no
/// longer possible.
void answer(Context& context, Exchange& exchange, const GenerationFields& fields,
            std::shared_ptr<Generation> generation, std::unique_ptr<AnswerFormat> format) {
  if (exchange.is_client_gone()) return;
  generation->start();
  if (fields.stream) {
    const StreamOptions options{.include_usage = fields.include_usage,
                                .continuous_usage = fields.continuous_usage};
    auto source = std::make_shared<EventStreamSource>(generation, std::move(format), options,
                                                      exchange.request_id());
    exchange.cancel_when_gone(generation, nullptr);
    generation->set_waker(exchange.stream(event_stream_head(), std::move(source)));
  } else {
    auto whole = std::make_shared<WholeAnswer>(generation, std::move(format), exchange.sender(),
                                               exchange.request_id());
    exchange.cancel_when_gone(generation, whole);
    WholeAnswer::collect(whole, context.collector.entrance());
  }
}

}  // namespace

void answer_chat(Context& context, const Field& body, Exchange& exchange) {
  const auto model = served_model(context, body);
  GenerationFields fields = parse_generation_fields(body, Endpoint::kChat, *model);
  const Conversation conversation = parse_conversation(body, *model);
  log_unknown_chat_fields(body);
  require_ready(context, *model);
  ChatPrompt prompt = make_chat_prompt(conversation, *model);
  require_fits_context(prompt.ids.size(), *model);

  AssemblerOptions options = assembler_options(fields);
  options.reasoning = reasoning_mode(prompt, *model);
  const auto& own_stops = model->chat_template->stop_strings();
  options.stop.insert(options.stop.end(), own_stops.begin(), own_stops.end());

  const std::string id = random_id("chatcmpl-");
  std::vector<std::vector<step::TokenId>> prompts;
  prompts.push_back(std::move(prompt.ids));
  auto format = make_chat_format(answer_head(context, id, model, fields, prompts));
  answer(context, exchange, fields,
         make_generation(model, id, fields, std::move(options), std::move(prompts)),
         std::move(format));
}

void answer_completion(Context& context, const Field& body, Exchange& exchange) {
  const auto model = served_model(context, body);
  const GenerationFields fields = parse_generation_fields(body, Endpoint::kCompletions, *model);
  log_unknown_completion_fields(body);
  require_ready(context, *model);
  auto prompts = parse_prompts(body, *model, fields.n, [&] { return exchange.is_client_gone(); });

  const std::string id = random_id("cmpl-");
  auto format = make_completion_format(answer_head(context, id, model, fields, prompts));
  answer(context, exchange, fields,
         make_generation(model, id, fields, assembler_options(fields), std::move(prompts)),
         std::move(format));
}

}  // namespace tandem::api
