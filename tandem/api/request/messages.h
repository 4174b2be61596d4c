// The messages of a conversation, from whatever form clients send to the one that a chat template
// reads.
#pragma once

#include "tandem/api/json_body.h"
#include "tandem/text/chat_template.h"

namespace tandem::api {

/// An array of {"role", "content", and where given "name", "tool_calls", "tool_call_id",
/// "reasoning_content"}. Content is one string, or an array of text parts when the template
/// iterates over it; absent content is "". Roles that the template does not know become ones that
/// it does (developer → system). Throws ApiError 400 that names the element.
Json parse_messages(const Field& messages, const text::ChatTemplate& chat_template);

}  // namespace tandem::api
