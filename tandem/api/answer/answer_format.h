// The JSON of answers: chat.completion, chat.completion.chunk, text_completion. Made of pieces; the
// streaming front end asks for chunks, the other for the whole.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tandem/api/answer/choice_assembler.h"
#include "tandem/api/answer/generation.h"
#include "tandem/api/answer/logprobs.h"
#include "tandem/api/request/generation_fields.h"

namespace tandem::api {

/// What an answer says besides its text.
struct AnswerHead {
  std::string id;            ///< "chatcmpl-…" or "cmpl-…"
  std::int64_t created = 0;  ///< Unix seconds
  std::shared_ptr<const Model> model;
  bool wants_logprobs = false;
  bool wants_token_ids = false;
  bool tokens_as_ids = false;
  ReasoningField reasoning_field = ReasoningField::kReasoningContent;
  std::vector<std::vector<step::TokenId>> prompts;  ///< kept only for wants_token_ids
  std::int32_t n = 1;
};

/// One choice, complete.
struct WholeChoice {
  std::string content, reasoning;
  std::vector<step::TokenResult> tokens;
  std::vector<std::int64_t> text_offsets;
  const char* finish_reason = "stop";
  std::variant<std::monostate, std::string, step::TokenId> stop_reason;

  void append(Piece piece);
};

class AnswerFormat {
 public:
  explicit AnswerFormat(AnswerHead head);
  virtual ~AnswerFormat() = default;

  /// The chunk of one piece. "usage" is left out unless it is asked for: some clients trip over a
  /// null.
  virtual Json chunk(const Piece& piece) const = 0;
  /// The chunk with usage and without choices.
  Json usage_chunk(const Usage& usage) const;
  virtual Json whole(const std::vector<WholeChoice>& choices) const = 0;

 protected:
  Json envelope(const char* object) const;
  const char* chunk_object_ = "";
  const AnswerHead head_;
  const std::optional<LogprobNames> names_;  ///< set when log-probabilities are wanted
};

std::unique_ptr<AnswerFormat> make_chat_format(AnswerHead head);
std::unique_ptr<AnswerFormat> make_completion_format(AnswerHead head);

Json usage_json(const Usage& usage);
/// llama-server's "timings"; null before the first token.
Json timings_json(const engine::RequestStats& stats);

}  // namespace tandem::api
