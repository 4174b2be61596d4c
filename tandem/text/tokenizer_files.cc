#include "tandem/text/tokenizer_files.h"

#include <fstream>
#include <optional>

#include "tandem/text/json_fields.h"
#include "tandem/text/tokenizer_json.h"

namespace tandem::text {
namespace {

constexpr std::size_t kMaxConfigBytes = 16 << 20;

/// nullopt when there is no such file.
std::optional<std::string> read_file(const std::filesystem::path& path, std::size_t max_bytes) {
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found) return std::nullopt;
  if (status.type() != std::filesystem::file_type::regular) {
    throw Error(Code::kCorrupt, path.string() + " is not a regular file");
  }
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

/// A named token is its spelling, or an object with it in "content".
std::string named_token(const Json& config, const char* key, const std::string& where) {
  const Json* field = find_field(config, key, where);
  if (!field) return "";
  return field->is_object() ? require_string(*field, "content", where + ": " + key)
                            : require_string(config, key, where);
}

}  // namespace

std::string read_tokenizer_file(const std::filesystem::path& folder) {
  const std::filesystem::path path = folder / "tokenizer.json";
  std::optional<std::string> bytes = read_file(path, kMaxTokenizerBytes);
  if (!bytes) {
    throw Error(Code::kNotFound,
                path.string() +
                    " is missing; a folder with only tokenizer.model or vocab.json can be "
                    "converted with transformers (AutoTokenizer, save_pretrained)");
  }
  return std::move(*bytes);
}

NamedTokens read_named_tokens(const std::filesystem::path& folder) {
  NamedTokens named;
  for (const char* name : {"tokenizer_config.json", "special_tokens_map.json"}) {
    const std::filesystem::path path = folder / name;
    const std::optional<std::string> bytes = read_file(path, kMaxConfigBytes);
    if (!bytes) continue;
    Json config;
    try {
      config = parse_json(*bytes, path.string());
    } catch (const Error& e) {
      throw Error(Code::kCorrupt, e.what());
    }
    if (named.bos.empty()) named.bos = named_token(config, "bos_token", path.string());
    if (named.eos.empty()) named.eos = named_token(config, "eos_token", path.string());
  }
  return named;
}

}  // namespace tandem::text
