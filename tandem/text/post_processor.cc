#include "tandem/text/post_processor.h"

#include "tandem/text/json_fields.h"
#include "tandem/text/tokenizer_json.h"

namespace tandem::text {
namespace {

constexpr std::size_t kMaxIds = 1024;

TokenId read_id(const Json& json, const std::string& where) {
  const bool fits = json.is_number_integer() && json.get<std::int64_t>() >= 0 &&
                    json.get<std::int64_t>() <= kMaxTokenId;
  if (!fits) throw_corrupt(where, "an id is not within 0 … " + std::to_string(kMaxTokenId));
  return json.get<TokenId>();
}

void append_special(const Json& special_tokens, const std::string& name, std::vector<TokenId>& ids,
                    const std::string& where) {
  const Json& token = require_field(special_tokens, name.c_str(), where + ".special_tokens");
  for (const Json& id : require_array(token, "ids", where + ".special_tokens"))
    ids.push_back(read_id(id, where));
  if (ids.size() > kMaxIds)
    throw_corrupt(where, "a template of more than " + std::to_string(kMaxIds) + " ids");
}

PostProcessor read_template(const Json& json, const std::string& where) {
  PostProcessor processor;
  int texts = 0;
  for (const Json& piece : require_array(json, "single", where)) {
    if (find_field(piece, "Sequence", where)) {
      ++texts;
      continue;
    }
    const std::string name =
        require_string(require_field(piece, "SpecialToken", where), "id", where);
    std::vector<TokenId>& ids = texts == 0 ? processor.prefix : processor.suffix;
    append_special(require_field(json, "special_tokens", where), name, ids, where);
  }
  if (texts != 1) {
    throw Error(Code::kUnsupported,
                where + ": a template with the text " + std::to_string(texts) + " times");
  }
  return processor;
}

/// BERT's and RoBERTa's: "cls" and "sep" are pairs of spelling and id.
PostProcessor read_cls_sep(const Json& json, const std::string& where) {
  const auto id_of = [&](const char* key) {
    const Json& pair = require_array(json, key, where);
    if (pair.size() != 2) throw_corrupt(where, std::string("\"") + key + "\" must be a pair");
    return read_id(pair[1], where);
  };
  return {{id_of("cls")}, {id_of("sep")}};
}

PostProcessor read_sequence(const Json& json, const std::string& where) {
  PostProcessor all;
  for (const Json& step : require_array(json, "processors", where)) {
    PostProcessor next = read_post_processor(step, where);
    // Each step puts its ids around what the steps before it made.
    next.prefix.insert(next.prefix.end(), all.prefix.begin(), all.prefix.end());
    all.suffix.insert(all.suffix.end(), next.suffix.begin(), next.suffix.end());
    all.prefix = std::move(next.prefix);
    if (all.prefix.size() + all.suffix.size() > kMaxIds) {
      throw_corrupt(where, "templates of more than " + std::to_string(kMaxIds) + " ids");
    }
  }
  return all;
}

}  // namespace

PostProcessor read_post_processor(const Json& json, const std::string& where) {
  const std::string type = require_string(json, "type", where);
  if (type == "ByteLevel") return {};  // adjusts offsets only
  if (type == "TemplateProcessing") return read_template(json, where);
  if (type == "Sequence") return read_sequence(json, where);
  if (type == "BertProcessing" || type == "RobertaProcessing") return read_cls_sep(json, where);
  throw Error(Code::kUnsupported,
              where + ": a post-processor of type \"" + type + "\" is not supported");
}

}  // namespace tandem::text
