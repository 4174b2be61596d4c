// Detokenizer: the decoder's steps, fed one id at a time.
#include <utility>

#include "tandem/text/tokenizer_impl.h"

namespace tandem::text {

class Detokenizer::State : public TokenSink {
 public:
  State(std::shared_ptr<const Tokenizer::Impl> tokenizer, bool skip_special_tokens)
      : tokenizer_(std::move(tokenizer)),
        skip_special_tokens_(skip_special_tokens),
        steps_(tokenizer_->decoder.make_steps(*this)) {}

  void push(TokenId id) {
    const std::string* spelling = tokenizer_->decodable(id, skip_special_tokens_);
    if (!spelling) return;
    steps_.front()->text(*spelling);
    steps_.front()->end_token();
  }
  void end() { steps_.front()->finish(); }
  std::string take() { return std::exchange(settled_, {}); }

  void text(std::string_view piece) override { settled_ += piece; }
  void end_token() override {}
  void finish() override {}

 private:
  std::shared_ptr<const Tokenizer::Impl> tokenizer_;
  bool skip_special_tokens_;
  std::string settled_;
  std::vector<std::unique_ptr<TokenSink>> steps_;
};

Detokenizer::Detokenizer(const Tokenizer& tokenizer, bool skip_special_tokens)
    : state_(std::make_unique<State>(tokenizer.impl_, skip_special_tokens)) {}
Detokenizer::~Detokenizer() = default;
Detokenizer::Detokenizer(Detokenizer&&) noexcept = default;

std::string Detokenizer::push(TokenId id) {
  state_->push(id);
  return state_->take();
}

std::string Detokenizer::finish() {
  state_->end();
  return state_->take();
}

}  // namespace tandem::text
