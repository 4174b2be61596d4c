// Message forms; see messages.h.
#include "tandem/api/request/messages.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "tandem/api/api_error.h"
#include "tandem/api/request/chat_request.h"
#include "tandem/base/error.h"

namespace tandem::api {
namespace {

constexpr std::string_view kRoles[] = {"system",    "developer", "user",
                                       "assistant", "tool",      "function"};

class MessageReader {
 public:
  explicit MessageReader(const text::ChatTemplate& chat_template)
      : wants_parts_(chat_template.wants_content_parts()),
        knows_developer_(chat_template.source().find("developer") != std::string::npos) {}

  Json read(const Field& message) {
    if (!message.is_object()) message.fail("must be an object");
    Json result = Json::object();
    result["role"] = role_of(message["role"]);
    result["content"] = content_of(message["content"]);
    copy_string(message, "name", "name", result);
    copy_string(message, "tool_call_id", "tool_call_id", result);
    copy_string(message, "reasoning", "reasoning_content", result);
    copy_string(message, "reasoning_content", "reasoning_content", result);
    if (const Field calls = message["tool_calls"]; calls && calls.array_size(kMaxParts) > 0) {
      result["tool_calls"] = tool_calls_of(calls);
    }
    return result;
  }

 private:
  std::string role_of(const Field& field) const {
    const std::string& role = field.as_string(kMaxNameBytes);
    if (std::find(std::begin(kRoles), std::end(kRoles), role) == std::end(kRoles)) {
      field.fail("must be one of system, developer, user, assistant, tool, function");
    }
    return role == "developer" && !knows_developer_ ? "system" : role;
  }

  Json content_of(const Field& content) {
    std::vector<std::string> texts;
    if (content.is_string()) {
      texts.push_back(content.as_string(kMaxTextBytes));
    } else if (content.is_array()) {
      const std::size_t count = content.array_size(kMaxParts);
      if ((num_parts_ += count) > kMaxParts)
        content.fail("there are more than " + std::to_string(kMaxParts) + " parts in all messages");
      for (std::size_t i = 0; i < count; ++i) texts.push_back(part_text(content.at(i)));
    } else if (content) {
      content.fail("must be a string, null, or an array of parts");
    }
    return wants_parts_ ? as_parts(texts) : as_string(texts);
  }

  static std::string part_text(const Field& part) {
    if (part.is_string()) return part.as_string(kMaxTextBytes);
    const Field type = part["type"];
    const std::string& kind = type.as_string(kMaxNameBytes);
    if (kind == "text" || kind == "input_text" || kind == "output_text")
      return part["text"].as_string(kMaxTextBytes);
    if (kind == "refusal") return part["refusal"].as_string(kMaxTextBytes);
    if (kind == "image_url" || kind == "input_image" || kind == "input_audio" || kind == "file" ||
        kind == "video_url") {
      type.fail("this model reads text only, it cannot take a part of type \"" + kind + "\"");
    }
    type.fail("is not a known type of part; \"text\" is");
  }

  static Json as_parts(const std::vector<std::string>& texts) {
    Json parts = Json::array();
    for (const std::string& text : texts) parts.push_back({{"type", "text"}, {"text", text}});
    return parts;
  }

  /// Parts are joined by line breaks, as vLLM and llama-server do.
  static Json as_string(const std::vector<std::string>& texts) {
    std::string joined;
    for (const std::string& text : texts) {
      if (!joined.empty()) joined += '\n';
      joined += text;
    }
    return joined;
  }

  static void copy_string(const Field& message, const char* from, const char* to, Json& result) {
    if (const Field field = message[from]) result[to] = field.as_string(kMaxTextBytes);
  }

  /// Calls of earlier turns. Templates expect `arguments` as an object, clients send it as a string
  /// of JSON.
  static Json tool_calls_of(const Field& calls) {
    Json result = Json::array();
    for (std::size_t i = 0; i < calls.json().size(); ++i) {
      const Field call = calls.at(i), function = call["function"],
                  arguments = function["arguments"];
      Json copy = {{"id", nullptr},
                   {"type", "function"},
                   {"function", {{"name", function["name"].as_string(kMaxNameBytes)}}}};
      if (const Field id = call["id"]) copy["id"] = id.as_string(kMaxNameBytes);
      copy["function"]["arguments"] = arguments_of(arguments);
      result.push_back(std::move(copy));
    }
    return result;
  }

  static Json arguments_of(const Field& arguments) {
    if (!arguments) return Json::object();
    if (arguments.is_object()) return arguments.json();
    const std::string& text = arguments.as_string(kMaxTextBytes);
    if (text.empty()) return Json::object();
    try {
      return parse_json(text, "arguments", {.max_bytes = 1 << 20, .max_depth = 32});
    } catch (const Error&) {
      return text;  // a model's earlier mistake; the template shows it as it was
    }
  }

  const bool wants_parts_, knows_developer_;
  std::size_t num_parts_ = 0;
};

}  // namespace

Json parse_messages(const Field& messages, const text::ChatTemplate& chat_template) {
  if (!messages) messages.fail("is required: an array of messages");
  const std::size_t count = messages.array_size(kMaxMessages);
  if (count == 0) messages.fail("must have at least one message");
  MessageReader reader(chat_template);
  Json result = Json::array();
  for (std::size_t i = 0; i < count; ++i) result.push_back(reader.read(messages.at(i)));
  return result;
}

}  // namespace tandem::api
