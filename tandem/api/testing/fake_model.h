// A model without weights for tests and the driver: a byte-level tokenizer of 256 tokens and a
// runner that recites a text.
#pragma once

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tandem/api/api.h"
#include "tandem/engine/engine.h"
#include "tandem/text/byte_alphabet.h"

namespace tandem::api::testing {

inline constexpr step::TokenId kBos = 256, kEos = 257, kEndOfTurn = 258;
inline constexpr std::int32_t kVocabSize = 259;

/// Token id = byte; <s>, </s> and <|end|> are special.
inline text::Tokenizer byte_tokenizer() {
  Json vocab = Json::object();
  for (int byte = 0; byte < 256; ++byte) {
    vocab[std::string(text::byte_character(static_cast<char>(byte)))] = byte;
  }
  Json added = Json::array();
  for (const auto& [id, spelling] :
       {std::pair(kBos, "<s>"), {kEos, "</s>"}, {kEndOfTurn, "<|end|>"}}) {
    added.push_back({{"id", id},
                     {"content", spelling},
                     {"special", true},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false}});
  }
  const Json byte_level = {{"type", "ByteLevel"},
                           {"add_prefix_space", false},
                           {"trim_offsets", false},
                           {"use_regex", false}};
  const Json file = {{"version", "1.0"},
                     {"truncation", nullptr},
                     {"padding", nullptr},
                     {"added_tokens", added},
                     {"normalizer", nullptr},
                     {"pre_tokenizer", byte_level},
                     {"post_processor", nullptr},
                     {"decoder", byte_level},
                     {"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", Json::array()}}}};
  return text::Tokenizer::parse(dump_json(file));
}

/// Answers every sequence with the bytes of `reply`, then </s>, then zeros. Alternatives follow the
/// drawn token's id.
class RecitingRunner : public step::StepRunner {
  template <typename F>
  auto locked(F read) const {
    std::lock_guard lock(mutex_);
    return read();
  }
  template <typename F>
  void change(F update) {
    std::lock_guard lock(mutex_);
    update(*this);
    changed_.notify_all();
  }

 public:
  explicit RecitingRunner(std::string reply) : reply_(std::move(reply)) {}

  step::RunnerInfo info() const override {
    return locked([&] { return info_; });
  }
  int depth() const override { return 1; }

  void submit(const step::StepPlan& plan) override {
    std::lock_guard lock(mutex_);
    num_closed_ += plan.close.size();
    for (const step::OpenSequence& open : plan.open) open_[open.sequence] = open;
    step::StepResult result{
        .deployment = plan.deployment, .generation = plan.generation, .number = plan.number};
    for (const step::Slice& slice : plan.slices) {
      step::SliceResult& out = result.slices.emplace_back(step::SliceResult{slice.sequence, {}});
      for (const step::RowRequest& request : slice.requests) {
        out.rows.push_back({request.row,
                            {draw(open_[slice.sequence], slice.first_position + request.row + 1)},
                            {}});
      }
    }
    outcomes_.push_back(std::move(result));
    changed_.notify_all();
  }

  std::optional<step::StepOutcome> wait() override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return is_interrupted_ || (!outcomes_.empty() && !is_paused_); });
    if (std::exchange(is_interrupted_, false)) return std::nullopt;
    step::StepOutcome outcome = std::move(outcomes_.front());
    outcomes_.pop_front();
    return outcome;
  }

  void interrupt() override {
    change([](RecitingRunner& r) { r.is_interrupted_ = true; });
  }
  void pause(bool paused) {
    change([&](RecitingRunner& r) { r.is_paused_ = paused; });
  }
  void set_reply(const std::string& reply) {
    change([&](RecitingRunner& r) { r.reply_ = reply; });
  }
  void set_state(step::RunnerInfo::State state, const std::string& reason) {
    change([&](RecitingRunner& r) {
      r.info_.state = state;
      r.info_.reason = reason;
    });
  }
  /// A rank is lost: what is in flight gives no result.
  void end_generation(const std::string& reason) {
    change([&](RecitingRunner& r) {
      r.info_.state = step::RunnerInfo::State::kForming;
      r.info_.reason = reason;
      r.outcomes_ = {step::GenerationEnded{r.info_.generation, reason}};
      r.is_paused_ = false;
    });
  }
  /// Sequences closed so far: finished or cancelled, on every rank.
  std::size_t num_closed() const {
    return locked([&] { return num_closed_; });
  }
  /// The ids that the latest sequence was opened with.
  std::vector<step::TokenId> last_prompt() const {
    return locked(
        [&] { return open_.empty() ? std::vector<step::TokenId>() : open_.rbegin()->second.ids; });
  }
  step::SamplingParams last_sampling() const {
    return locked(
        [&] { return open_.empty() ? step::SamplingParams() : open_.rbegin()->second.sampling; });
  }

 private:
  step::TokenResult draw(const step::OpenSequence& open, std::int32_t position) const {
    const auto at = static_cast<std::size_t>(position - open.num_prompt_ids);
    step::TokenResult token{.id = at < reply_.size()    ? static_cast<unsigned char>(reply_[at])
                                  : at == reply_.size() ? kEos
                                                        : 0};
    if (open.sampling.num_logprobs < 0) return token;
    token.logprob = -0.25f;
    for (int i = 0; i < open.sampling.num_logprobs; ++i)
      token.top.push_back({(token.id + i) % kVocabSize, -0.25f - static_cast<float>(i)});
    return token;
  }
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::string reply_;
  step::RunnerInfo info_{.state = step::RunnerInfo::State::kReady,
                         .generation = 1,
                         .num_blocks = 4096,
                         .block_size = 16,
                         .num_ranks = 2,
                         .max_model_len = 2048};
  std::map<step::SequenceId, step::OpenSequence> open_;
  std::deque<step::StepOutcome> outcomes_;
  bool is_interrupted_ = false, is_paused_ = false;
  std::size_t num_closed_ = 0;
};

inline constexpr const char* kTemplate =
    "{% for m in messages %}<s>{{ m.role }}: {{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<s>assistant: {% if enable_thinking %}<think>\n{% endif %}{% "
    "endif %}";

/// The model "fake" over `runner`, which outlives it.
inline Model fake_model(step::StepRunner& runner, engine::EngineOptions options,
                        const Clock& clock) {
  options.vocab_size = kVocabSize;
  Model model;
  model.id = "fake";
  model.aliases = {"org/fake-1b"};
  model.engine = std::make_shared<engine::Engine>(runner, options, clock);
  model.tokenizer = std::make_shared<const text::Tokenizer>(byte_tokenizer());
  model.chat_template = std::make_shared<const text::ChatTemplate>(
      text::ChatTemplate::parse(kTemplate, "<s>", "</s>"));
  model.model_type = "llama";
  model.created = 1'700'000'000;
  model.vocab_size = kVocabSize;
  model.num_params = 1'000'000;
  model.size_bytes = 2'000'000;
  model.fingerprint = "tandem-test";
  model.end_ids = {kEos};
  model.tokenizer_config = {{"eos_token", {{"content", "</s>"}}}, {"bos_token", "<s>"}};
  return model;
}

}  // namespace tandem::api::testing
