// Token events to pieces; see choice_assembler.h.
#include "tandem/api/answer/choice_assembler.h"

#include "tandem/api/answer/token_text.h"

namespace tandem::api {

ChoiceAssembler::ChoiceAssembler(std::int32_t choice, const text::Tokenizer& tokenizer,
                                 const AssemblerOptions& options)
    : choice_(choice),
      min_tokens_(options.min_tokens),
      include_stop_str_(options.include_stop_str),
      detokenizer_(tokenizer, options.skip_special_tokens),
      stops_(options.stop, options.include_stop_str),
      reasoning_(options.reasoning) {}

Piece ChoiceAssembler::push(const engine::TokenEvent& event) {
  Piece piece{.choice = choice_, .is_first = !has_begun_};
  has_begun_ = true;
  piece.is_reasoning = reasoning_.is_inside();
  piece.text_offset = num_characters_;
  if (event.token) {
    piece.token = event.token;
    ++num_tokens_;
    // The token that ends a turn is counted and has a log-probability, but is no text unless asked
    // for.
    if (!event.is_end_token || include_stop_str_) take(detokenizer_.push(event.token->id), piece);
  }
  piece.num_tokens = num_tokens_;
  if (event.finish && !is_finished_) end(event, piece);
  return piece;
}

void ChoiceAssembler::take(const std::string& text, Piece& piece) {
  num_characters_ += count_characters(text);
  if (num_tokens_ <= min_tokens_) {
    split(text, piece);
    return;
  }
  text::StopStrings::Output out = stops_.push(text);
  split(out.text, piece);
  if (!out.stopped) return;
  is_finished_ = true;
  piece.finish_reason = "stop";
  piece.stop_reason = std::move(out.matched);
  const auto rest = reasoning_.finish();
  piece.content += rest.content;
  piece.reasoning += rest.reasoning;
}

void ChoiceAssembler::end(const engine::TokenEvent& event, Piece& piece) {
  take(detokenizer_.finish(), piece);
  if (is_finished_) return;  // the held-back text completed a stop string
  split(stops_.finish(), piece);
  const auto rest = reasoning_.finish();
  piece.content += rest.content;
  piece.reasoning += rest.reasoning;
  is_finished_ = true;
  piece.finish_reason = event.finish == engine::FinishReason::kLength ? "length" : "stop";
  if (event.stop_token) piece.stop_reason = *event.stop_token;
}

void ChoiceAssembler::split(const std::string& text, Piece& piece) {
  auto parts = reasoning_.push(text);
  piece.content += parts.content;
  piece.reasoning += parts.reasoning;
}

}  // namespace tandem::api
