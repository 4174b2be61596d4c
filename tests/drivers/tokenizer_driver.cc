// Answers questions about a tokenizer, one JSON object a line in, one out: {"load": FOLDER},
// {"encode": TEXT, "special": bool, "literal": [[begin, end], …]}, {"decode": IDS, "skip": bool}
// and {"stream": IDS, "skip": bool}. Run by the Python tests.
#include <iostream>
#include <memory>
#include <string>

#include "tandem/base/error.h"
#include "tandem/base/json.h"
#include "tandem/text/tokenizer.h"

namespace {

using tandem::Json;
using tandem::text::Detokenizer;
using tandem::text::Tokenizer;

Json encode(const Tokenizer& tokenizer, const Json& question) {
  std::vector<tandem::text::Range> literal;
  for (const Json& range : question.value("literal", Json::array())) {
    literal.push_back({range.at(0).get<std::size_t>(), range.at(1).get<std::size_t>()});
  }
  return tokenizer.encode(
      question.at("encode").get<std::string>(),
      {.add_special_tokens = question.value("special", true), .literal = literal});
}

Json stream(const Tokenizer& tokenizer, const Json& question) {
  Detokenizer detokenizer(tokenizer, question.value("skip", true));
  Json pieces = Json::array();
  for (const Json& id : question.at("stream"))
    pieces.push_back(detokenizer.push(id.get<tandem::text::TokenId>()));
  pieces.push_back(detokenizer.finish());
  return pieces;
}

Json answer(std::unique_ptr<Tokenizer>& tokenizer, const Json& question) {
  if (question.contains("load")) {
    tokenizer =
        std::make_unique<Tokenizer>(Tokenizer::load(question.at("load").get<std::string>()));
    return tokenizer->size();
  }
  if (!tokenizer) throw tandem::Error(tandem::Code::kInvalidArgument, "nothing is loaded");
  if (question.contains("encode")) return encode(*tokenizer, question);
  if (question.contains("stream")) return stream(*tokenizer, question);
  const auto ids = question.at("decode").get<std::vector<tandem::text::TokenId>>();
  return tokenizer->decode(ids, question.value("skip", true));
}

}  // namespace

int main() {
  std::ios::sync_with_stdio(false);
  std::unique_ptr<Tokenizer> tokenizer;
  std::string line;
  while (std::getline(std::cin, line)) {
    Json reply;
    try {
      reply = answer(tokenizer, tandem::parse_json(line, "question"));
    } catch (const tandem::Error& e) {
      reply = Json{{"error", std::string(tandem::to_string(e.code()))}, {"message", e.what()}};
    }
    std::cout << tandem::dump_json(reply) << '\n' << std::flush;
  }
  return 0;
}
