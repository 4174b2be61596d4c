// Several engine requests under one answer; see generation.h.
#include "tandem/api/answer/generation.h"

#include "tandem/api/api_error.h"
#include "tandem/base/error.h"

namespace tandem::api {
namespace {

constexpr std::size_t kMaxPromptsInFlight = 64;

}  // namespace

Generation::Generation(std::shared_ptr<const Model> model,
                       std::vector<engine::GenerationRequest> requests, AssemblerOptions options)
    : model_(std::move(model)),
      options_(std::move(options)),
      n_(requests.at(0).n),
      num_choices_(n_ * static_cast<std::int32_t>(requests.size())),
      waiting_(std::make_move_iterator(requests.begin()), std::make_move_iterator(requests.end())) {
  for (const auto& request : waiting_)
    usage_.prompt_tokens += static_cast<std::int64_t>(request.prompt.size());
}

void Generation::start() {
  std::lock_guard lock(mutex_);
  submit_more();
}

void Generation::submit_more() {
  while (!is_over_ && !waiting_.empty() && running_.size() < kMaxPromptsInFlight) {
    // The engine may refuse for want of room; the prompt must survive that.
    engine::GenerationRequest request = waiting_.front();
    std::optional<engine::Ticket> ticket;
    try {
      ticket = model_->engine->submit(std::move(request));
    } catch (const Error& e) {
      // Full, but some of ours run: the next one that ends makes room.
      if (e.code() == Code::kResourceExhausted && !running_.empty()) return;
      throw;
    }
    waiting_.pop_front();
    const std::int32_t first = num_submitted_++ * n_;
    auto running = std::make_unique<Running>(Running{*std::move(ticket), first, n_, {}});
    for (std::int32_t i = 0; i < n_; ++i)
      running->choices.emplace_back(first + i, *model_->tokenizer, options_);
    if (waker_) running->ticket.set_waker(waker_);
    running_.push_back(std::move(running));
  }
}

std::optional<Piece> Generation::next() {
  std::lock_guard lock(mutex_);
  if (is_over_) return std::nullopt;
  try {
    // Once around from the one after the last served, so that no prompt of a list waits for
    // another.
    for (std::size_t i = 0; i < running_.size(); ++i) {
      const std::size_t at = (next_running_ + i) % running_.size();
      auto piece = next_of(*running_[at]);
      if (!piece) continue;
      next_running_ = at + 1;
      if (running_[at]->open_choices == 0) {
        retire(*running_[at]);
        running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(at));
        next_running_ = at;
        submit_more();
      }
      return piece;
    }
  } catch (...) {
    end_all();
    throw;
  }
  return std::nullopt;
}

std::optional<Piece> Generation::next_of(Running& running) {
  while (auto event = running.ticket.try_next()) {
    ChoiceAssembler& assembler = running.choices.at(static_cast<std::size_t>(event->choice));
    if (assembler.is_finished()) continue;  // it came before the engine heard of our stop string
    if (event->finish == engine::FinishReason::kError ||
        event->finish == engine::FinishReason::kCancelled) {
      throw unavailable(event->error.empty() ? "The generation was ended by the server."
                                             : event->error)
          .with_code("generation_failed");
    }
    Piece piece = assembler.push(*event);
    usage_.completion_tokens += piece.token ? 1 : 0;
    usage_.reasoning_tokens += piece.token && piece.is_reasoning ? 1 : 0;
    if (piece.finish_reason) {
      if (!event->finish) running.ticket.cancel(event->choice);
      --running.open_choices;
      ++num_finished_;
    }
    return piece;
  }
  return std::nullopt;
}

void Generation::retire(const Running& running) {
  last_stats_ = running.ticket.stats();
  usage_.cached_tokens += last_stats_->num_cached_tokens;
}

void Generation::end_all() {
  is_over_ = true;
  for (const auto& running : running_) running->ticket.cancel();
  running_.clear();
  waiting_.clear();
}

bool Generation::is_done() const {
  std::lock_guard lock(mutex_);
  return num_finished_ == num_choices_;
}

void Generation::set_waker(std::function<void()> waker) {
  std::lock_guard lock(mutex_);
  waker_ = std::move(waker);
  for (const auto& running : running_) running->ticket.set_waker(waker_);
}

void Generation::cancel() {
  std::lock_guard lock(mutex_);
  if (!is_over_) end_all();
}

Usage Generation::usage() const {
  std::lock_guard lock(mutex_);
  Usage usage = usage_;
  for (const auto& running : running_)
    usage.cached_tokens += running->ticket.stats().num_cached_tokens;
  return usage;
}

std::optional<engine::RequestStats> Generation::stats() const {
  std::lock_guard lock(mutex_);
  return num_choices_ == n_ ? last_stats_ : std::nullopt;
}

}  // namespace tandem::api
