// Renders chat templates, one JSON object a line in, one out: {"template": SOURCE, "special_tokens": {…},
// "messages": […], "tools": …, "variables": {…}, "add_generation_prompt": bool, "continue_final_message":
// bool}, or {"source": SOURCE, "variables": {…}} for the bare interpreter. Run by the Python tests.
#include <ctime>
#include <iostream>
#include <string>

#include "tandem/base/error.h"
#include "tandem/base/json.h"
#include "tandem/text/chat_template.h"
#include "tandem/text/jinja/interpreter.h"
#include "tandem/text/jinja/parser.h"

namespace {

using tandem::Json;
using tandem::text::ChatTemplate;

Json reply(const std::string& text, const std::vector<tandem::text::Range>& literal) {
  Json ranges = Json::array();
  for (const auto& range : literal) ranges.push_back({range.begin, range.end});
  return {{"text", text}, {"literal", ranges}};
}

Json render_source(const Json& question) {
  namespace jinja = tandem::text::jinja;
  const jinja::Template tree = jinja::parse_template(question.at("source").get<std::string>());
  jinja::Interpreter interpreter(tree, {}, std::time(nullptr));
  for (const auto& [name, value] : question.at("variables").items()) {
    interpreter.set_global(name, interpreter.heap().from_json(value));
  }
  const jinja::Text text = interpreter.render();
  return reply(text.bytes(), text.request());
}

Json render_chat(const Json& question) {
  tandem::text::SpecialTokens special_tokens;
  for (const auto& [name, token] : question.at("special_tokens").items()) {
    special_tokens.emplace_back(name, token.get<std::string>());
  }
  const ChatTemplate chat = ChatTemplate::parse(question.at("template").get<std::string>(), special_tokens);
  const tandem::text::Rendered rendered = chat.render(
      {.messages = question.at("messages"),
       .tools = question.value("tools", Json()),
       .extra_variables = question.value("variables", Json()),
       .add_generation_prompt = question.value("add_generation_prompt", true),
       .continue_final_message = question.value("continue_final_message", false)});
  Json answer = reply(rendered.text, rendered.literal);
  answer["wants_content_parts"] = chat.wants_content_parts();
  return answer;
}

}  // namespace

int main() {
  std::ios::sync_with_stdio(false);
  std::string line;
  while (std::getline(std::cin, line)) {
    Json answer;
    try {
      const Json question = tandem::parse_json(line, "question", {.max_depth = 200});
      answer = question.contains("source") ? render_source(question) : render_chat(question);
    } catch (const tandem::Error& e) {
      answer = Json{{"error", std::string(tandem::to_string(e.code()))}, {"message", e.what()}};
    }
    std::cout << tandem::dump_json(answer) << '\n' << std::flush;
  }
  return 0;
}
