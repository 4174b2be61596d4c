// The chat endpoint's own fields; see chat_request.h.
#include "tandem/api/request/chat_request.h"

#include "tandem/api/api_error.h"
#include "tandem/api/request/messages.h"
#include "tandem/base/error.h"
#include "tandem/base/log.h"

namespace tandem::api {
namespace {

constexpr std::string_view kChatFields[] = {"messages",
                                            "chat_template_kwargs",
                                            "reasoning_effort",
                                            "add_generation_prompt",
                                            "continue_final_message",
                                            "tools",
                                            "tool_choice",
                                            "response_format",
                                            "chat_template",
                                            "functions",
                                            "function_call",
                                            "audio"};

/// Template variables that a client may set. Never what decides how the template is applied
/// (tokenize, chat_template, …).
constexpr std::string_view kTemplateVariables[] = {
    "enable_thinking", "thinking",    "reasoning_effort", "preserve_thinking",
    "clear_thinking",  "date_string", "enable_citations", "builtin_tools"};
constexpr std::size_t kMaxVariableBytes = 64;

void refuse_unoffered_chat_features(const Field& body) {
  if (const Field tools = body["tools"]; tools && tools.array_size(kMaxMessages) > 0)
    throw not_offered("tools", "Tool calling is");
  if (const Field functions = body["functions"];
      functions && functions.array_size(kMaxMessages) > 0) {
    throw not_offered("functions", "Function calling is");
  }
  if (const Field choice = body["tool_choice"]; choice) {
    const bool harmless =
        choice.is_string() && (choice.json() == "none" || choice.json() == "auto");
    if (!harmless) throw not_offered("tool_choice", "Tool calling is");
  }
  if (const Field format = body["response_format"]) {
    const Field type = format["type"];
    if (!type || type.as_string(kMaxNameBytes) != "text") {
      throw not_offered("response_format", "A response_format other than {\"type\": \"text\"} is");
    }
  }
  if (body["audio"]) throw not_offered("audio", "Audio is");
  if (const Field source = body["chat_template"]) {
    source.fail("clients may not supply a template; the server's --chat-template sets one");
  }
}

bool is_plain_word(const std::string& text) {
  return text.size() <= kMaxVariableBytes &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) {
           return std::isalnum(c) ||
                  std::string_view(" _-.,:/").find(static_cast<char>(c)) != std::string_view::npos;
         });
}

Json parse_template_variables(const Field& body) {
  Json variables = Json::object();
  if (const Field given = body["chat_template_kwargs"]) {
    if (!given.is_object()) given.fail("must be an object");
    for (const auto& [key, value] : given.json().items()) {
      const Field variable = given[key];
      if (!variable) continue;
      if (std::find(std::begin(kTemplateVariables), std::end(kTemplateVariables), key) ==
          std::end(kTemplateVariables)) {
        variable.fail("is not a template variable that clients may set");
      }
      const bool is_scalar = value.is_boolean() || value.is_number() ||
                             (value.is_string() && is_plain_word(value.get<std::string>()));
      if (!is_scalar) variable.fail("must be true, false, a number or a short plain word");
      variables[key] = value;
    }
  }
  if (const Field effort = body["reasoning_effort"]) {
    const std::string& level = effort.as_string(kMaxNameBytes);
    constexpr std::string_view kLevels[] = {"none", "minimal", "low", "medium",
                                            "high", "xhigh",   "max"};
    if (std::find(std::begin(kLevels), std::end(kLevels), level) == std::end(kLevels)) {
      effort.fail("must be one of none, minimal, low, medium, high, xhigh, max");
    }
    if (level == "none") {
      if (!variables.contains("enable_thinking")) variables["enable_thinking"] = false;
    } else {
      variables["reasoning_effort"] = level;
    }
  }
  return variables.empty() ? Json(nullptr) : variables;
}

bool is_literal(const text::Rendered& rendered, std::size_t at) {
  const auto after = std::upper_bound(
      rendered.literal.begin(), rendered.literal.end(), at,
      [](std::size_t position, const text::Range& range) { return position < range.end; });
  return after != rendered.literal.end() && after->begin <= at;
}

/// Whether the template itself (not a message that quotes the tag) left a <think> open at the
/// prompt's end.
bool ends_in_opened_think(const text::Rendered& rendered) {
  constexpr std::string_view kOpen = "<think>";
  const std::size_t last = rendered.text.find_last_not_of(" \t\r\n");
  if (last == std::string::npos || last + 1 < kOpen.size()) return false;
  const std::size_t begin = last + 1 - kOpen.size();
  return rendered.text.compare(begin, kOpen.size(), kOpen) == 0 && !is_literal(rendered, begin);
}

}  // namespace

Conversation parse_conversation(const Field& body, const Model& model) {
  if (!model.chat_template) {
    throw invalid_request(
        "The model \"" + model.id + "\" is served without a chat template; use /v1/completions.",
        "messages");
  }
  refuse_unoffered_chat_features(body);
  Conversation conversation;
  text::ChatInput& input = conversation.input;
  input.messages = parse_messages(body["messages"], *model.chat_template);
  input.extra_variables = parse_template_variables(body);
  input.continue_final_message = body["continue_final_message"].bool_or(false);
  const Field generation_prompt = body["add_generation_prompt"];
  input.add_generation_prompt = generation_prompt.bool_or(!input.continue_final_message);
  if (input.continue_final_message && input.add_generation_prompt) {
    generation_prompt.fail("cannot be true together with continue_final_message");
  }
  conversation.add_special_tokens =
      body["add_special_tokens"].bool_or(model.chat_adds_special_tokens);
  return conversation;
}

ChatPrompt make_chat_prompt(const Conversation& conversation, const Model& model) {
  text::Rendered rendered;
  try {
    rendered = model.chat_template->render(conversation.input);
  } catch (const Error& e) {
    if (e.code() != Code::kInvalidArgument) throw;
    throw invalid_request(e.what(), "messages");
  }
  require_may_fit_context(rendered.text.size(), model);
  ChatPrompt prompt;
  prompt.ids = model.tokenizer->encode(
      rendered.text,
      {.add_special_tokens = conversation.add_special_tokens, .literal = rendered.literal});
  prompt.opens_thinking = ends_in_opened_think(rendered);
  return prompt;
}

void log_unknown_chat_fields(const Field& body) { log_unknown_fields(body, kChatFields); }

void require_fits_context(std::size_t num_tokens, const Model& model) {
  const std::int32_t length = model.context_length();
  // Zero: nothing is formed yet; the engine's refusal says why.
  if (length <= 0 || num_tokens < static_cast<std::size_t>(length)) return;
  // LiteLLM looks for the first sentence, llama.cpp's clients for "exceeds the available context
  // size".
  throw invalid_request(
      "This model's maximum context length is " + std::to_string(length) +
      " tokens. However, your request has " + std::to_string(num_tokens) +
      " tokens, which exceeds the available context size. Please shorten the prompt.")
      .with_code("context_length_exceeded")
      .with_extra("n_prompt_tokens", num_tokens)
      .with_extra("n_ctx", length);
}

void require_may_fit_context(std::size_t num_bytes, const Model& model) {
  // Each token stands for at most the longest spelling; a normalizer may shrink text, but not to a
  // quarter.
  const std::size_t fewest_tokens = num_bytes / std::max<std::size_t>(model.max_token_bytes, 1) / 4;
  require_fits_context(fewest_tokens, model);
}

}  // namespace tandem::api
