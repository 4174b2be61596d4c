// Messages to a prompt through a model's Jinja chat template, with the same result as transformers'
// apply_chat_template. Called by `api`; templates come from model files or the operator, never from clients.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tandem/base/json.h"
#include "tandem/text/tokenizer.h"

namespace tandem::text {

/// The rendered prompt. `literal` marks the bytes that came from the request (followed through filters, slices,
/// joins, macros): in them special-token strings are text, never control tokens.
struct Rendered {
  std::string text;
  std::vector<Range> literal;
};

struct ChatInput {
  Json messages;                      ///< array of {"role", "content", …}, as validated by `api`
  Json tools;                         ///< array or null
  Json extra_variables;               ///< object: chat_template_kwargs after the allow-list; or null
  bool add_generation_prompt = true;
  bool continue_final_message = false;
};

/// What bounds one rendering; a template that exceeds one ends with Error{kInvalidArgument}.
struct RenderLimits {
  std::uint64_t max_steps = 10'000'000;
  std::size_t max_output_bytes = 16 << 20;
  int max_depth = 64;
};

/// Variables such as {"bos_token", "<s>"}; an empty token stays undefined in the template.
using SpecialTokens = std::vector<std::pair<std::string, std::string>>;

/// Immutable once parsed; every call is safe from any thread.
class ChatTemplate {
 public:
  /// Parses Jinja source; `bos_token` and `eos_token` become variables. Throws Error{kCorrupt} with line and
  /// column.
  static ChatTemplate parse(std::string_view source, std::string bos_token, std::string eos_token,
                            RenderLimits limits = {});
  static ChatTemplate parse(std::string_view source, SpecialTokens special_tokens, RenderLimits limits = {});
  /// A model folder's own: chat_template.jinja, else tokenizer_config.json's "chat_template" (a string, or a
  /// list of named ones: "default"), with the tokens that its configuration names. nullptr when it has none.
  /// Throws Error{kCorrupt | kIo}.
  static std::unique_ptr<ChatTemplate> load(const std::filesystem::path& folder);
  /// The built-in default for a model without one. "phi…": "Instruct: …\nOutput:"; others: "User:
  /// …\nAssistant:". `bos_token`: what the tokenizer puts before every text, or empty.
  static ChatTemplate builtin(std::string_view model_type, std::string bos_token = "");
  /// A built-in template: "phi", "plain" or "chatml". Throws Error{kNotFound} that lists the names.
  static ChatTemplate named(std::string_view name, SpecialTokens special_tokens = {});
  /// What --chat-template asks for: "" is the model's own or else the built-in default, with one warning; a
  /// file; the name of a built-in; "none": nullptr, chat is not offered.
  static std::unique_ptr<ChatTemplate> choose(const std::string& option, const std::filesystem::path& folder,
                                              std::string_view model_type, const Tokenizer& tokenizer);
  ChatTemplate(ChatTemplate&&) noexcept;
  ~ChatTemplate();

  /// Throws Error{kInvalidArgument} with the template's own words for raise_exception.
  Rendered render(const ChatInput& input) const;
  /// Strings that must end an answer besides the end tokens: "\nUser:" for the built-in default, "\nInstruct:"
  /// for phi's.
  const std::vector<std::string>& stop_strings() const;
  /// Whether the template iterates over message.content (parts stay an array) or wants one string.
  bool wants_content_parts() const;
  const std::string& source() const;

 private:
  class Impl;
  explicit ChatTemplate(std::unique_ptr<Impl> impl);
  void add_stop_string(std::string stop);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tandem::text
