// The body of /v1/chat/completions: messages, template variables, and what turns them into a
// prompt.
#pragma once

#include <string>
#include <vector>

#include "tandem/api/request/generation_fields.h"

namespace tandem::api {

inline constexpr std::size_t kMaxMessages = 16384;
inline constexpr std::size_t kMaxParts = 16384;  ///< in all messages together

/// A conversation, checked, in the form that the model's template wants.
struct Conversation {
  text::ChatInput input;
  bool add_special_tokens = false;
};

/// A prompt made of a conversation.
struct ChatPrompt {
  std::vector<step::TokenId> ids;
  bool opens_thinking = false;  ///< it ends right after a <think> that the template wrote: the
                                ///< answer begins with reasoning
};

/// Reads messages and everything that shapes the prompt. Throws ApiError 400, also for images,
/// tools and schemas.
Conversation parse_conversation(const Field& body, const Model& model);

/// Renders and encodes. Throws ApiError 400 with the template's own words, or when the text cannot
/// fit the context.
ChatPrompt make_chat_prompt(const Conversation& conversation, const Model& model);

/// Logs members that chat requests do not have.
void log_unknown_chat_fields(const Field& body);

/// Throws context_length_exceeded unless `num_tokens` leave room for an answer.
void require_fits_context(std::size_t num_tokens, const Model& model);
/// The same from the text's size alone, before an hour is spent on encoding what can never fit.
void require_may_fit_context(std::size_t num_bytes, const Model& model);

}  // namespace tandem::api
