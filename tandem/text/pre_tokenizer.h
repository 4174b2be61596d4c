// Cuts a normalised text into the words that the model encodes one by one. Called by
// Tokenizer::encode.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tandem/base/json.h"
#include "tandem/text/tokenizer.h"

namespace tandem::text {

/// A text in pieces. Steps cut the pieces further and may rewrite the text under them.
struct Pieces {
  struct Piece {
    Range range;    ///< of `text`; never empty
    bool at_start;  ///< begins where the original text begins
  };
  std::string text;
  std::vector<Piece> pieces;

  std::string_view view(const Piece& piece) const {
    return std::string_view(text).substr(piece.range.begin, piece.range.end - piece.range.begin);
  }
};

/// Immutable; every call is safe from any thread.
class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  virtual void apply(Pieces& pieces) const = 0;
};

/// From tokenizer.json's "pre_tokenizer". Throws Error{kCorrupt | kUnsupported} that names `where`.
std::unique_ptr<PreTokenizer> make_pre_tokenizer(const Json& json, const std::string& where);

}  // namespace tandem::text
