#include "tandem/text/chat_template.h"

#include <algorithm>
#include <array>
#include <ctime>
#include <optional>
#include <utility>

#include "tandem/base/error.h"
#include "tandem/text/jinja/interpreter.h"
#include "tandem/text/jinja/parser.h"
#include "tandem/text/jinja/string_operations.h"

namespace tandem::text {
namespace {

/// What transformers appends to the message that is to be continued, to find its end again.
constexpr std::string_view kContinueTag = "CONTINUE_FINAL_MESSAGE_TAG ";
/// A message's reasoning has had several names; templates read the first or the second.
constexpr std::array<std::string_view, 3> kReasoningFields = {"reasoning_content", "thinking", "reasoning"};
/// `api` lets no other roles pass. They are the protocol's words, not the client's: templates build control
/// tokens of them.
constexpr std::array<std::string_view, 6> kRoles = {"system",    "developer", "user",
                                                    "assistant", "tool",      "function"};

/// Messages as transformers hands them to a template: without null fields, the reasoning under each of its
/// names.
Json normalized(const Json& messages) {
  Json result = Json::array();
  for (const Json& message : messages) {
    Json reasoning;
    for (const std::string_view field : kReasoningFields) {
      if (reasoning.is_null() && message.contains(field)) reasoning = message.at(std::string(field));
    }
    Json copy = Json::object();
    if (!reasoning.is_null()) copy["thinking"] = reasoning;
    for (const auto& [key, value] : message.items()) {
      if (!value.is_null()) copy[key] = value;
    }
    if (!reasoning.is_null()) copy["reasoning_content"] = reasoning;
    result.push_back(std::move(copy));
  }
  return result;
}

[[noreturn]] void fail(const std::string& message) { throw Error(Code::kInvalidArgument, message); }

/// Appends the tag to the last text of the final message; gives that text.
std::string tag_final_message(Json& messages) {
  if (messages.empty()) fail("continue_final_message needs at least one message");
  Json& message = messages.back();
  if (!message.contains("content")) fail("continue_final_message needs a final message with content");
  Json& content = message["content"];
  Json* text = content.is_string() ? &content : nullptr;
  if (content.is_array()) {
    for (Json& part : content) {
      if (part.is_object() && part.contains("text") && part["text"].is_string()) text = &part["text"];
    }
  }
  if (text == nullptr) fail("continue_final_message finds no text in the final message");
  const std::string before = text->get<std::string>();
  *text = before + std::string(kContinueTag);
  return before;
}

std::string_view without_spaces(std::string_view text, jinja::Side side) {
  const jinja::Text stripped = jinja::strip(jinja::Text(std::string(text)), nullptr, side);
  return side == jinja::Side::kRight ? text.substr(0, stripped.size())
                                     : text.substr(text.find(stripped.view()), stripped.size());
}

/// The rendered prompt up to the end of the final message's text.
jinja::Text cut_at_tag(const jinja::Text& rendered, std::string_view final_text) {
  const std::string_view bare_tag = kContinueTag.substr(0, kContinueTag.size() - 1);
  const std::size_t tag = rendered.bytes().rfind(bare_tag);
  const std::string_view wanted = without_spaces(final_text, jinja::Side::kBoth);
  if (tag == std::string::npos || rendered.bytes().find(wanted) == std::string::npos) {
    fail("continue_final_message: this model's chat template does not print the final message as it is");
  }
  const jinja::Text kept = rendered.slice(0, tag);
  const bool keeps_spaces = rendered.view().substr(tag, kContinueTag.size()) == kContinueTag;
  return keeps_spaces ? kept : jinja::strip(kept, nullptr, jinja::Side::kRight);
}

}  // namespace

class ChatTemplate::Impl {
 public:
  std::string source;
  jinja::Template tree;
  std::vector<std::pair<std::string, std::string>> special_tokens;  ///< "bos_token" and the like
  RenderLimits limits;
  std::vector<std::string> stop_strings;
  bool wants_content_parts = false;
  bool wraps_content = false;  ///< the template reads only parts: a string becomes one

  jinja::Text render(const ChatInput& input, const jinja::InterpreterLimits& bounds) const {
    jinja::Interpreter interpreter(tree, bounds, std::time(nullptr));
    jinja::Heap& heap = interpreter.heap();
    for (const auto& [name, token] : special_tokens) interpreter.set_global(name, heap.string(token));
    interpreter.set_global("messages", messages_value(heap, input.messages));
    interpreter.set_global("tools", heap.from_json(input.tools));
    interpreter.set_global("documents", jinja::Value::none());
    interpreter.set_global("add_generation_prompt", jinja::Value::boolean(input.add_generation_prompt));
    if (input.extra_variables.is_object()) {
      for (const auto& [name, value] : input.extra_variables.items())
        interpreter.set_global(name, heap.from_json(value));
    }
    return interpreter.render();
  }

  jinja::InterpreterLimits bounds() const {
    return {.budget = {.steps = limits.max_steps, .max_text_bytes = limits.max_output_bytes},
            .max_macro_depth = limits.max_depth};
  }

  void detect_content_format();

 private:
  static jinja::Value messages_value(jinja::Heap& heap, const Json& messages) {
    const jinja::Value value = heap.from_json(messages);
    if (!value.is_sequence()) return value;
    for (const jinja::Value& message : value.list().items) {
      const jinja::Value* role = message.is_dict() ? message.dict().find("role") : nullptr;
      if (role == nullptr || !role->is_string()) continue;
      const std::string& name = role->text().bytes();
      if (std::find(kRoles.begin(), kRoles.end(), name) == kRoles.end()) continue;
      message.dict().set(heap.string("role"), heap.string(name, jinja::Origin::kTemplate));
    }
    return value;
  }
};

/// Renders one user message both ways: a template that reads parts prints their text and not their structure.
void ChatTemplate::Impl::detect_content_format() {
  static constexpr std::string_view kProbe = "tandem-content-probe";
  const auto prints_probe = [&](const Json& content) {
    ChatInput input;
    input.messages = Json::array({{{"role", "user"}, {"content", content}}});
    jinja::InterpreterLimits few = bounds();
    few.budget.steps = std::min<std::uint64_t>(few.budget.steps, 100'000);
    try {
      const std::string text = render(input, few).bytes();
      const std::size_t probe = text.find(kProbe);
      return probe != std::string::npos && text.find("'type'") == std::string::npos &&
             text.find("\"type\"") == std::string::npos;
    } catch (const Error&) {
      return false;  // the template refuses this form
    }
  };
  const std::string probe(kProbe);
  wants_content_parts = prints_probe(Json::array({{{"type", "text"}, {"text", probe}}}));
  wraps_content = wants_content_parts && !prints_probe(probe);
}

ChatTemplate::ChatTemplate(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

ChatTemplate ChatTemplate::parse(std::string_view source, std::string bos_token, std::string eos_token,
                                 RenderLimits limits) {
  return parse(source, SpecialTokens{{"bos_token", std::move(bos_token)}, {"eos_token", std::move(eos_token)}},
               limits);
}

ChatTemplate ChatTemplate::parse(std::string_view source, SpecialTokens special_tokens, RenderLimits limits) {
  auto impl = std::make_unique<Impl>();
  impl->source = source;
  impl->tree = jinja::parse_template(source);
  for (auto& token : special_tokens) {
    if (!token.second.empty()) impl->special_tokens.push_back(std::move(token));
  }
  impl->limits = limits;
  impl->detect_content_format();
  return ChatTemplate(std::move(impl));
}

Rendered ChatTemplate::render(const ChatInput& input) const {
  ChatInput prepared = input;
  prepared.messages = normalized(input.messages);
  std::string final_text;
  if (input.continue_final_message) {
    if (input.add_generation_prompt) fail("continue_final_message excludes add_generation_prompt");
    final_text = tag_final_message(prepared.messages);
  }
  if (impl_->wraps_content) {
    for (Json& message : prepared.messages) {
      if (!message.contains("content") || !message["content"].is_string()) continue;
      message["content"] = Json::array({{{"type", "text"}, {"text", message["content"]}}});
    }
  }
  jinja::Text text = impl_->render(prepared, impl_->bounds());
  if (input.continue_final_message) text = cut_at_tag(text, final_text);
  return {.text = text.bytes(), .literal = text.request()};
}

void ChatTemplate::add_stop_string(std::string stop) { impl_->stop_strings.push_back(std::move(stop)); }
const std::vector<std::string>& ChatTemplate::stop_strings() const { return impl_->stop_strings; }
bool ChatTemplate::wants_content_parts() const { return impl_->wants_content_parts; }
const std::string& ChatTemplate::source() const { return impl_->source; }

}  // namespace tandem::text
