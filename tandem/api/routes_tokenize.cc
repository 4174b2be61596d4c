// POST /tokenize and /detokenize, in vLLM's and llama-server's spelling; answers carry the fields
// of both.
#include "tandem/api/api_error.h"
#include "tandem/api/request/chat_request.h"
#include "tandem/api/routes.h"
#include "tandem/api/wire.h"

namespace tandem::api {
namespace {

constexpr std::size_t kMaxIds = 4'000'000;

std::vector<step::TokenId> ids_of(const Field& body, const Model& model) {
  if (body["messages"]) return make_chat_prompt(parse_conversation(body, model), model).ids;
  const Field prompt = body["prompt"], content = body["content"];
  if (!prompt && !content) prompt.fail("is required (or \"content\", or \"messages\")");
  // vLLM's "prompt" gets a BOS unless told otherwise, llama-server's "content" only when told so.
  const bool add_special_tokens = body["add_special_tokens"].bool_or(static_cast<bool>(prompt)) ||
                                  body["add_special"].bool_or(false);
  const Field& text = prompt ? prompt : content;
  return model.tokenizer->encode(text.as_string(kMaxTextBytes),
                                 {.add_special_tokens = add_special_tokens});
}

}  // namespace

void answer_tokenize(Context& context, const Field& body, Exchange& exchange) {
  const auto model = served_model(context, body);
  const auto ids = ids_of(body, *model);
  Json token_strs = nullptr;
  if (body["return_token_strs"].bool_or(false)) {
    token_strs = Json::array();
    for (const step::TokenId id : ids)
      token_strs.push_back(model->tokenizer->token(id).value_or(""));
  }
  exchange.send(json_response(200, {{"count", ids.size()},
                                    {"max_model_len", model->context_length()},
                                    {"tokens", ids},
                                    {"token_strs", std::move(token_strs)}}));
}

void answer_detokenize(Context& context, const Field& body, Exchange& exchange) {
  const auto model = served_model(context, body);
  const Field tokens = body["tokens"];
  if (!tokens) tokens.fail("is required: an array of token ids");
  const auto ids = parse_token_ids(tokens, model->vocab_size, kMaxIds);
  const std::string text = model->tokenizer->decode(ids, /*skip_special_tokens=*/false);
  exchange.send(json_response(200, {{"prompt", text}, {"content", text}}));
}

}  // namespace tandem::api
