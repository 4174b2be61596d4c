// One choice of an answer, from token events to text: whole UTF-8, stop strings, reasoning. Streams
// and whole answers are made of its pieces alone, so they cannot differ.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "tandem/api/answer/reasoning.h"
#include "tandem/engine/engine.h"
#include "tandem/text/stop_strings.h"
#include "tandem/text/tokenizer.h"

namespace tandem::api {

/// What one event adds to a choice.
struct Piece {
  std::int32_t choice = 0;  ///< prompt × n + index among the prompt's n
  bool is_first = false;
  std::string content, reasoning;          ///< may both be empty: a held-back token
  bool is_reasoning = false;               ///< the token counts as reasoning
  std::optional<step::TokenResult> token;  ///< absent in a piece that only ends the choice
  std::int64_t text_offset = 0;            ///< characters of the choice's text before `token`
  std::int32_t num_tokens = 0;             ///< of this choice, so far
  const char* finish_reason = nullptr;     ///< "stop" or "length" in the last piece
  /// vLLM's stop_reason: the stop string or stop token that ended it.
  std::variant<std::monostate, std::string, step::TokenId> stop_reason;
};

struct AssemblerOptions {
  std::vector<std::string> stop;
  bool include_stop_str = false;
  bool skip_special_tokens = true;
  std::int32_t min_tokens = 0;  ///< stop strings are not looked for in the first ones
  ReasoningSplitter::Mode reasoning = ReasoningSplitter::Mode::kOff;
};

class ChoiceAssembler {
 public:
  ChoiceAssembler(std::int32_t choice, const text::Tokenizer& tokenizer,
                  const AssemblerOptions& options);
  /// The event's contribution. An event with kError or kCancelled is the caller's business and not
  /// passed on. Nothing may be pushed after a piece with finish_reason: the caller cancels the
  /// choice when a stop string came before the engine's end.
  Piece push(const engine::TokenEvent& event);
  bool is_finished() const { return is_finished_; }

 private:
  void take(const std::string& text, Piece& piece);
  void end(const engine::TokenEvent& event, Piece& piece);
  void split(const std::string& text, Piece& piece);

  const std::int32_t choice_, min_tokens_;
  const bool include_stop_str_;
  text::Detokenizer detokenizer_;
  text::StopStrings stops_;
  ReasoningSplitter reasoning_;
  std::int32_t num_tokens_ = 0;
  std::int64_t num_characters_ = 0;
  bool has_begun_ = false, is_finished_ = false;
};

}  // namespace tandem::api
