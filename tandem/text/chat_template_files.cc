// Where a model's chat template comes from: its folder, a file or built-in that the operator names, or the
// default for models without one.
#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <optional>

#include "tandem/base/error.h"
#include "tandem/base/json.h"
#include "tandem/base/log.h"
#include "tandem/text/chat_template.h"
#include "tandem/text/jinja/parser.h"

namespace tandem::text {
namespace {

constexpr std::size_t kMaxConfigBytes = 16 << 20;

struct Builtin {
  std::string_view name;
  std::string_view source;
  std::string_view stop;
};

/// phi-2's model card: "Instruct: <prompt>\nOutput:".
constexpr std::string_view kPhi =
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'user' %}{{ 'Instruct: ' + message['content'] | trim + '\\n' }}"
    "{% elif message['role'] == 'assistant' %}{{ 'Output: ' + message['content'] | trim + '\\n' }}"
    "{% else %}{{ message['content'] | trim + '\\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Output:' }}{% endif %}";

constexpr std::string_view kPlain =
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'user' %}{{ 'User: ' + message['content'] | trim + '\\n' }}"
    "{% elif message['role'] == 'assistant' %}{{ 'Assistant: ' + message['content'] | trim + '\\n' }}"
    "{% else %}{{ message['content'] | trim + '\\n\\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}";

constexpr std::string_view kChatMl =
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' ~ message['content'] ~ '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

constexpr std::array<Builtin, 3> kBuiltins = {
    {{"phi", kPhi, "\nInstruct:"}, {"plain", kPlain, "\nUser:"}, {"chatml", kChatMl, ""}}};

const Builtin* find_builtin(std::string_view name) {
  const auto found =
      std::find_if(kBuiltins.begin(), kBuiltins.end(), [&](const Builtin& b) { return b.name == name; });
  return found == kBuiltins.end() ? nullptr : found;
}

std::string builtin_names() {
  std::string names;
  for (const Builtin& builtin : kBuiltins) names += (names.empty() ? "" : ", ") + std::string(builtin.name);
  return names;
}

/// nullopt when there is no such file.
std::optional<std::string> read_file(const std::filesystem::path& path, std::size_t max_bytes) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return std::nullopt;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  if (error) throw Error(Code::kIo, path.string() + ": " + error.message());
  if (size > max_bytes) {
    throw Error(Code::kCorrupt, path.string() + ": " + std::to_string(size) + " bytes, at most " +
                                    std::to_string(max_bytes) + " are read");
  }
  std::string bytes(static_cast<std::size_t>(size), '\0');
  std::ifstream file(path, std::ios::binary);
  if (!file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()))) {
    throw Error(Code::kIo, path.string() + ": cannot be read");
  }
  return bytes;
}

Json read_json_object(const std::filesystem::path& path) {
  const std::optional<std::string> bytes = read_file(path, kMaxConfigBytes);
  if (!bytes) return Json::object();
  try {
    Json json = parse_json(*bytes, path.string());
    if (json.is_object()) return json;
  } catch (const Error& error) {
    throw Error(Code::kCorrupt, error.what());
  }
  throw Error(Code::kCorrupt, path.string() + ": expected a JSON object");
}

/// Every "…_token" that a model names, as transformers hands them to the template.
SpecialTokens read_special_tokens(const Json& config, const std::filesystem::path& folder) {
  SpecialTokens tokens;
  const auto add_from = [&](const Json& object) {
    for (const auto& [name, value] : object.items()) {
      if (!name.ends_with("_token")) continue;
      const Json& spelling = value.is_object() && value.contains("content") ? value.at("content") : value;
      const bool is_known =
          std::any_of(tokens.begin(), tokens.end(), [&](const auto& token) { return token.first == name; });
      if (spelling.is_string() && !is_known) tokens.emplace_back(name, spelling.get<std::string>());
    }
  };
  add_from(config);
  add_from(read_json_object(folder / "special_tokens_map.json"));
  return tokens;
}

/// tokenizer_config.json's "chat_template": a string, or a list of {"name", "template"} with one named
/// "default".
std::optional<std::string> template_of_config(const Json& config, const std::filesystem::path& path) {
  if (!config.contains("chat_template") || config.at("chat_template").is_null()) return std::nullopt;
  const Json& field = config.at("chat_template");
  if (field.is_string()) return field.get<std::string>();
  if (field.is_array()) {
    for (const Json& entry : field) {
      const bool is_default = entry.is_object() && entry.value("name", Json()) == "default";
      if (is_default && entry.contains("template") && entry.at("template").is_string()) {
        return entry.at("template").get<std::string>();
      }
    }
  }
  throw Error(Code::kCorrupt, path.string() +
                                  ": \"chat_template\" is neither a string nor a list with a \"default\"; "
                                  "give another with --chat-template");
}

/// The begin-of-text token, when the tokenizer itself puts it before a text.
std::string leading_token(const Tokenizer& tokenizer) {
  const std::vector<TokenId> ids = tokenizer.encode("");
  return !ids.empty() && ids.front() == tokenizer.bos_id() ? tokenizer.bos_token() : "";
}

}  // namespace

std::unique_ptr<ChatTemplate> ChatTemplate::load(const std::filesystem::path& folder) {
  const std::filesystem::path config_path = folder / "tokenizer_config.json";
  const Json config = read_json_object(config_path);
  std::optional<std::string> source = read_file(folder / "chat_template.jinja", jinja::kMaxTemplateBytes);
  if (!source) source = template_of_config(config, config_path);
  if (!source) return nullptr;
  return std::make_unique<ChatTemplate>(parse(*source, read_special_tokens(config, folder)));
}

ChatTemplate ChatTemplate::builtin(std::string_view model_type, std::string bos_token) {
  return named(model_type.starts_with("phi") ? "phi" : "plain", {{"bos_token", std::move(bos_token)}});
}

ChatTemplate ChatTemplate::named(std::string_view name, SpecialTokens special_tokens) {
  const Builtin* builtin = find_builtin(name);
  if (builtin == nullptr) {
    throw Error(Code::kNotFound, "chat template '" + std::string(name) +
                                     "': neither a file nor a built-in template (" + builtin_names() + ")");
  }
  ChatTemplate chat = parse(builtin->source, std::move(special_tokens));
  if (!builtin->stop.empty()) chat.add_stop_string(std::string(builtin->stop));
  return chat;
}

std::unique_ptr<ChatTemplate> ChatTemplate::choose(const std::string& option,
                                                   const std::filesystem::path& folder,
                                                   std::string_view model_type, const Tokenizer& tokenizer) {
  if (option == "none") return nullptr;
  if (option.empty()) {
    if (std::unique_ptr<ChatTemplate> own = load(folder)) return own;
    log::warn("{} has no chat template: chats are written as plain text ('{}'); --chat-template gives another",
              folder.string(), model_type.starts_with("phi") ? "Instruct: … Output:" : "User: … Assistant:");
    return std::make_unique<ChatTemplate>(builtin(model_type, leading_token(tokenizer)));
  }
  const Json config = read_json_object(folder / "tokenizer_config.json");
  if (const std::optional<std::string> source = read_file(option, jinja::kMaxTemplateBytes)) {
    return std::make_unique<ChatTemplate>(parse(*source, read_special_tokens(config, folder)));
  }
  return std::make_unique<ChatTemplate>(named(option, {{"bos_token", leading_token(tokenizer)}}));
}

}  // namespace tandem::text
