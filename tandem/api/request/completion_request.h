// The body of /v1/completions: one prompt or many, as text or as ids.
#pragma once

#include <vector>

#include "tandem/api/request/generation_fields.h"

namespace tandem::api {

/// The prompts as ids: "prompt" is a string, a list of strings, a list of ids or a list of lists of
/// ids. Strings get the tokenizer's special tokens unless add_special_tokens is false; ids never
/// do. `is_unwanted` is asked between prompts: true (the client has gone) ends the work with
/// Error{kCancelled}. Throws ApiError 400.
std::vector<std::vector<step::TokenId>> parse_prompts(const Field& body, const Model& model,
                                                      std::int32_t n,
                                                      const std::function<bool()>& is_unwanted);

/// Logs members that completion requests do not have.
void log_unknown_completion_fields(const Field& body);

}  // namespace tandem::api
