// Log-probabilities as JSON; see logprobs.h.
#include "tandem/api/answer/logprobs.h"

#include <cmath>

namespace tandem::api {
namespace {

constexpr float kLowest = -9999.0f;

std::string id_name(step::TokenId id) { return "token_id:" + std::to_string(id); }

}  // namespace

double finite_logprob(float logprob) {
  return std::isfinite(logprob) && logprob > kLowest ? logprob : kLowest;
}

Json legacy_logprobs() {
  return {{"tokens", Json::array()},
          {"token_logprobs", Json::array()},
          {"top_logprobs", Json::array()},
          {"text_offset", Json::array()}};
}

Json LogprobNames::named(step::TokenId id, float logprob) const {
  const std::string bytes = text_.bytes(id);
  Json byte_values = Json::array();
  for (const char c : bytes) byte_values.push_back(static_cast<unsigned char>(c));
  return {{"token", as_ids_ ? id_name(id) : printable(bytes)},
          {"logprob", finite_logprob(logprob)},
          {"bytes", std::move(byte_values)}};
}

std::string LogprobNames::legacy(step::TokenId id) const {
  return as_ids_ ? id_name(id) : legacy_name(text_.bytes(id));
}

Json LogprobNames::chat_entry(const step::TokenResult& token) const {
  Json entry = named(token.id, token.logprob);
  Json top = Json::array();
  for (const step::TopLogprob& one : token.top) top.push_back(named(one.id, one.logprob));
  entry["top_logprobs"] = std::move(top);
  return entry;
}

void LogprobNames::append_legacy(Json& logprobs, const step::TokenResult& token,
                                 std::int64_t text_offset) const {
  const std::string name = legacy(token.id);
  logprobs["tokens"].push_back(name);
  logprobs["token_logprobs"].push_back(finite_logprob(token.logprob));
  Json top = Json::object();
  for (const step::TopLogprob& one : token.top)
    top.emplace(legacy(one.id), finite_logprob(one.logprob));
  top[name] = finite_logprob(token.logprob);
  logprobs["top_logprobs"].push_back(std::move(top));
  logprobs["text_offset"].push_back(text_offset);
}

}  // namespace tandem::api
