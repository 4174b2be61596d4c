// What is put around the ids of a text: BOS, EOS, as the file's template says. Called by
// Tokenizer::encode.
#pragma once

#include <string>
#include <vector>

#include "tandem/base/json.h"
#include "tandem/text/tokenizer.h"

namespace tandem::text {

/// Ids before and behind the text's own. Templates for pairs of texts are not read.
struct PostProcessor {
  std::vector<TokenId> prefix, suffix;
};

/// From tokenizer.json's "post_processor". Throws Error{kCorrupt | kUnsupported} that names
/// `where`.
PostProcessor read_post_processor(const Json& json, const std::string& where);

}  // namespace tandem::text
