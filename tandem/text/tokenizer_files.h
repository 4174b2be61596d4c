// The tokenizer's files of a model folder. Called by Tokenizer::load.
#pragma once

#include <filesystem>
#include <string>

namespace tandem::text {

/// The bytes of tokenizer.json, within its size limit. Throws Error{kNotFound | kCorrupt | kIo}
/// that names the file.
std::string read_tokenizer_file(const std::filesystem::path& folder);

struct NamedTokens {
  std::string bos, eos;  ///< empty: none
};
/// From tokenizer_config.json, or else special_tokens_map.json; both may be missing. Throws
/// Error{kCorrupt | kIo}.
NamedTokens read_named_tokens(const std::filesystem::path& folder);

}  // namespace tandem::text
