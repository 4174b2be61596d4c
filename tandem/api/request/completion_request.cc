// The completions endpoint's own fields; see completion_request.h.
#include "tandem/api/request/completion_request.h"

#include "tandem/api/api_error.h"
#include "tandem/api/request/chat_request.h"
#include "tandem/base/error.h"

namespace tandem::api {
namespace {

constexpr std::string_view kCompletionFields[] = {"prompt", "echo", "suffix"};
constexpr std::size_t kMaxPromptIds = 4'000'000;  // more values no body has

class PromptReader {
 public:
  PromptReader(const Model& model, bool add_special_tokens)
      : model_(model), add_special_tokens_(add_special_tokens) {}

  std::vector<step::TokenId> from_text(const Field& prompt) const {
    const std::string& text = prompt.as_string(kMaxTextBytes);
    require_may_fit_context(text.size(), model_);
    return checked(prompt,
                   model_.tokenizer->encode(text, {.add_special_tokens = add_special_tokens_}));
  }

  std::vector<step::TokenId> from_ids(const Field& prompt) const {
    return checked(prompt, parse_token_ids(prompt, model_.vocab_size, kMaxPromptIds));
  }

 private:
  std::vector<step::TokenId> checked(const Field& prompt, std::vector<step::TokenId> ids) const {
    if (ids.empty()) prompt.fail("is empty; at least one token is needed");
    require_fits_context(ids.size(), model_);
    return ids;
  }

  const Model& model_;
  const bool add_special_tokens_;
};

}  // namespace

std::vector<std::vector<step::TokenId>> parse_prompts(const Field& body, const Model& model,
                                                      std::int32_t n,
                                                      const std::function<bool()>& is_unwanted) {
  const Field prompt = body["prompt"];
  const PromptReader reader(model, body["add_special_tokens"].bool_or(true));
  if (!prompt)
    prompt.fail(
        "is required: a string, a list of strings, a list of token ids, or a list of such lists");
  if (prompt.is_string()) return {reader.from_text(prompt)};
  if (!prompt.is_array() || prompt.json().empty())
    prompt.fail("must be a string or a list that is not empty");
  if (prompt.json().front().is_number()) return {reader.from_ids(prompt)};

  const std::size_t count = prompt.array_size(kMaxPrompts);
  if (count * static_cast<std::size_t>(n) > kMaxPrompts) {
    prompt.fail(std::to_string(count) + " prompts with n = " + std::to_string(n) +
                " make more than " + std::to_string(kMaxPrompts) + " choices");
  }
  std::vector<std::vector<step::TokenId>> prompts;
  for (std::size_t i = 0; i < count; ++i) {
    if (is_unwanted()) throw Error(Code::kCancelled, "the client has gone");
    const Field one = prompt.at(i);
    if (!one.is_string() && !one.is_array()) one.fail("must be a string or a list of token ids");
    prompts.push_back(one.is_string() ? reader.from_text(one) : reader.from_ids(one));
  }
  return prompts;
}

void log_unknown_completion_fields(const Field& body) {
  log_unknown_fields(body, kCompletionFields);
}

}  // namespace tandem::api
