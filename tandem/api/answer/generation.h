// The engine's side of one answer: a request for each prompt, their events as pieces, in whatever
// order they come. Read by one thread, cancelled by any.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "tandem/api/answer/choice_assembler.h"
#include "tandem/api/api.h"
#include "tandem/engine/engine.h"

namespace tandem::api {

struct Usage {
  std::int64_t prompt_tokens = 0, cached_tokens = 0, completion_tokens = 0, reasoning_tokens = 0;
};

class Generation {
 public:
  /// All requests have the same n. Nothing is submitted yet.
  Generation(std::shared_ptr<const Model> model, std::vector<engine::GenerationRequest> requests,
             AssemblerOptions options);

  /// Hands the first prompts to the engine; throws its Error when it takes not even one. Of a long
  /// list only so many are with the engine at once, the others follow as those end: one client's
  /// list leaves room in the queue for others.
  void start();
  /// The next piece if there is one. Throws ApiError when the engine gives a choice up; the rest is
  /// cancelled then.
  std::optional<Piece> next();
  /// Every choice has ended and been read.
  bool is_done() const;
  /// Called from the engine's thread when next() may have something. Must not block, nor own what
  /// owns this.
  void set_waker(std::function<void()> waker);
  /// The client has gone: everything ends, next() gives nothing more. Safe from any thread, at any
  /// time.
  void cancel();

  Usage usage() const;
  /// Of the only prompt; nullopt when there are several.
  std::optional<engine::RequestStats> stats() const;
  std::int32_t num_choices() const { return num_choices_; }

 private:
  struct Running {
    engine::Ticket ticket;
    std::int32_t first_choice;
    std::int32_t open_choices;
    std::deque<ChoiceAssembler> choices;
  };
  void submit_more();
  std::optional<Piece> next_of(Running& running);
  void retire(const Running& running);
  void end_all();

  const std::shared_ptr<const Model> model_;
  const AssemblerOptions options_;
  const std::int32_t n_;
  const std::int32_t num_choices_;

  mutable std::mutex mutex_;
  std::deque<engine::GenerationRequest> waiting_;
  std::vector<std::unique_ptr<Running>> running_;
  std::size_t next_running_ = 0;    ///< whose turn it is to be read
  std::int32_t num_submitted_ = 0;  ///< prompts
  std::int32_t num_finished_ = 0;   ///< choices
  bool is_over_ = false;            ///< cancelled or failed
  std::function<void()> waker_;
  Usage usage_;
  std::optional<engine::RequestStats> last_stats_;
};

}  // namespace tandem::api
