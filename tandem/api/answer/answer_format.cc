// Answers as JSON; see answer_format.h.
#include "tandem/api/answer/answer_format.h"

#include <algorithm>

#include "tandem/api/wire.h"

namespace tandem::api {
namespace {

template <typename StopReason>
Json stop_reason_json(const StopReason& reason) {
  if (const auto* text = std::get_if<std::string>(&reason)) return *text;
  if (const auto* id = std::get_if<step::TokenId>(&reason)) return *id;
  return nullptr;
}

Json finish_json(const char* reason) { return reason ? Json(reason) : Json(nullptr); }

void put_reasoning(Json& message, const std::string& text, ReasoningField field) {
  if (field != ReasoningField::kReasoning) message["reasoning_content"] = text;
  if (field != ReasoningField::kReasoningContent) message["reasoning"] = text;
}

Json ids_of(const std::vector<step::TokenResult>& tokens) {
  Json ids = Json::array();
  for (const auto& token : tokens) ids.push_back(token.id);
  return ids;
}

class ChatFormat : public AnswerFormat {
 public:
  explicit ChatFormat(AnswerHead head) : AnswerFormat(std::move(head)) {
    chunk_object_ = "chat.completion.chunk";
  }

  Json chunk(const Piece& piece) const override {
    Json choice = {{"index", piece.choice},
                   {"delta", delta_of(piece)},
                   {"logprobs", nullptr},
                   {"finish_reason", finish_json(piece.finish_reason)}};
    if (names_ && piece.token) choice["logprobs"] = logprobs_of({*piece.token});
    if (piece.finish_reason) choice["stop_reason"] = stop_reason_json(piece.stop_reason);
    if (head_.wants_token_ids)
      choice["token_ids"] = piece.token ? Json::array({piece.token->id}) : Json::array();
    Json chunk = envelope(chunk_object_);
    if (head_.wants_token_ids && piece.is_first) chunk["prompt_token_ids"] = head_.prompts.at(0);
    chunk["choices"] = Json::array({std::move(choice)});
    return chunk;
  }

  Json whole(const std::vector<WholeChoice>& choices) const override {
    Json list = Json::array();
    for (const WholeChoice& choice : choices) {
      Json message = {{"role", "assistant"}, {"content", choice.content}, {"refusal", nullptr}};
      if (!choice.reasoning.empty()) {
        if (choice.content.empty()) message["content"] = nullptr;
        put_reasoning(message, choice.reasoning, head_.reasoning_field);
      }
      Json entry = {{"index", list.size()},
                    {"message", std::move(message)},
                    {"logprobs", nullptr},
                    {"finish_reason", choice.finish_reason},
                    {"stop_reason", stop_reason_json(choice.stop_reason)}};
      if (names_) entry["logprobs"] = logprobs_of(choice.tokens);
      if (head_.wants_token_ids) entry["token_ids"] = ids_of(choice.tokens);
      list.push_back(std::move(entry));
    }
    Json answer = envelope("chat.completion");
    if (head_.wants_token_ids) answer["prompt_token_ids"] = head_.prompts.at(0);
    answer["choices"] = std::move(list);
    return answer;
  }

 private:
  /// The role travels with the first token: a chunk of its own would look like a first token to
  /// load generators.
  Json delta_of(const Piece& piece) const {
    Json delta = Json::object();
    if (piece.is_first) delta["role"] = "assistant";
    if (!piece.reasoning.empty()) put_reasoning(delta, piece.reasoning, head_.reasoning_field);
    const bool is_silent_end = piece.finish_reason && !piece.is_first;
    const bool is_plain = piece.reasoning.empty() && !is_silent_end;
    if (!piece.content.empty() || is_plain) delta["content"] = piece.content;
    return delta;
  }

  Json logprobs_of(const std::vector<step::TokenResult>& tokens) const {
    Json content = Json::array();
    for (const auto& token : tokens) content.push_back(names_->chat_entry(token));
    return {{"content", std::move(content)}, {"refusal", nullptr}};
  }
};

class CompletionFormat : public AnswerFormat {
 public:
  explicit CompletionFormat(AnswerHead head) : AnswerFormat(std::move(head)) {
    chunk_object_ = "text_completion";
  }

  Json chunk(const Piece& piece) const override {
    Json choice = {{"index", piece.choice},
                   {"text", piece.content},
                   {"logprobs", nullptr},
                   {"finish_reason", finish_json(piece.finish_reason)}};
    if (names_ && piece.token) {
      choice["logprobs"] = legacy_logprobs();
      names_->append_legacy(choice["logprobs"], *piece.token, piece.text_offset);
    }
    if (piece.finish_reason) choice["stop_reason"] = stop_reason_json(piece.stop_reason);
    if (head_.wants_token_ids) {
      choice["token_ids"] = piece.token ? Json::array({piece.token->id}) : Json::array();
      if (piece.is_first) choice["prompt_token_ids"] = prompt_of(piece.choice);
    }
    Json chunk = envelope(chunk_object_);
    chunk["choices"] = Json::array({std::move(choice)});
    return chunk;
  }

  Json whole(const std::vector<WholeChoice>& choices) const override {
    Json list = Json::array();
    for (const WholeChoice& choice : choices) {
      const auto index = static_cast<std::int32_t>(list.size());
      Json entry = {{"index", index},
                    {"text", choice.content},
                    {"logprobs", nullptr},
                    {"finish_reason", choice.finish_reason},
                    {"stop_reason", stop_reason_json(choice.stop_reason)}};
      if (names_) {
        entry["logprobs"] = legacy_logprobs();
        for (std::size_t t = 0; t < choice.tokens.size(); ++t) {
          names_->append_legacy(entry["logprobs"], choice.tokens[t], choice.text_offsets[t]);
        }
      }
      if (head_.wants_token_ids) {
        entry["token_ids"] = ids_of(choice.tokens);
        entry["prompt_token_ids"] = prompt_of(index);
      }
      list.push_back(std::move(entry));
    }
    Json answer = envelope(chunk_object_);
    answer["choices"] = std::move(list);
    return answer;
  }

 private:
  const std::vector<step::TokenId>& prompt_of(std::int32_t choice) const {
    return head_.prompts.at(static_cast<std::size_t>(choice / head_.n));
  }
};

double ms_between(std::chrono::steady_clock::time_point from,
                  std::chrono::steady_clock::time_point to) {
  return std::chrono::duration<double, std::milli>(to - from).count();
}

double per_second(double count, double ms) { return ms > 0 ? count * 1000.0 / ms : 0.0; }

}  // namespace

void WholeChoice::append(Piece piece) {
  content += piece.content;
  reasoning += piece.reasoning;
  if (piece.token) {
    tokens.push_back(*std::move(piece.token));
    text_offsets.push_back(piece.text_offset);
  }
  if (piece.finish_reason) {
    finish_reason = piece.finish_reason;
    stop_reason = std::move(piece.stop_reason);
  }
}

AnswerFormat::AnswerFormat(AnswerHead head)
    : head_(std::move(head)),
      names_(head_.wants_logprobs ? std::optional<LogprobNames>(
                                        std::in_place, *head_.model->tokenizer, head_.tokens_as_ids)
                                  : std::nullopt) {}

Json AnswerFormat::envelope(const char* object) const {
  return {{"id", head_.id},
          {"object", object},
          {"created", head_.created},
          {"model", head_.model->id},
          {"system_fingerprint", null_if_empty(head_.model->fingerprint)}};
}

Json AnswerFormat::usage_chunk(const Usage& usage) const {
  Json chunk = envelope(chunk_object_);
  chunk["choices"] = Json::array();
  chunk["usage"] = usage_json(usage);
  return chunk;
}

std::unique_ptr<AnswerFormat> make_chat_format(AnswerHead head) {
  return std::make_unique<ChatFormat>(std::move(head));
}

std::unique_ptr<AnswerFormat> make_completion_format(AnswerHead head) {
  return std::make_unique<CompletionFormat>(std::move(head));
}

Json usage_json(const Usage& usage) {
  return {{"prompt_tokens", usage.prompt_tokens},
          {"completion_tokens", usage.completion_tokens},
          {"total_tokens", usage.prompt_tokens + usage.completion_tokens},
          {"prompt_tokens_details", {{"cached_tokens", usage.cached_tokens}}},
          {"completion_tokens_details", {{"reasoning_tokens", usage.reasoning_tokens}}}};
}

Json timings_json(const engine::RequestStats& stats) {
  if (stats.num_output_tokens == 0) return nullptr;
  const auto begun = std::max(stats.submitted, stats.first_scheduled);  // the latter may be unset
  const double prompt_ms = ms_between(begun, stats.first_token);
  const double predicted_ms = ms_between(stats.first_token, stats.last_token);
  const int prompt_n = stats.num_prompt_tokens - stats.num_cached_tokens;
  return {{"cache_n", stats.num_cached_tokens},
          {"queue_ms", ms_between(stats.submitted, begun)},
          {"prompt_n", prompt_n},
          {"prompt_ms", prompt_ms},
          {"prompt_per_second", per_second(prompt_n, prompt_ms)},
          {"predicted_n", stats.num_output_tokens},
          {"predicted_ms", predicted_ms},
          // The first token is the prompt's work.
          {"predicted_per_second", per_second(stats.num_output_tokens - 1, predicted_ms)}};
}

}  // namespace tandem::api
