#include "tandem/engine/scheduler.h"

#include <algorithm>
#include <utility>

#include "tandem/base/error.h"

namespace tandem::engine {
namespace {

// The first chunk of a model whose speed is unknown: small enough for a 7B model on two cores (about 20 tokens/s).
constexpr std::int32_t kFirstChunkTokens = 32;
constexpr std::int32_t kMinChunkTokens = 16;

bool contains(const std::vector<TokenId>& ids, TokenId id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

std::int32_t blocks_for(std::int32_t num_tokens, std::int32_t block_size) {
  return (num_tokens + block_size - 1) / block_size;
}

}  // namespace

Scheduler::Scheduler(SchedulerOptions options) : options_(options), chunk_tokens_(kFirstChunkTokens) {}

void Scheduler::begin_generation(const step::RunnerInfo& info) {
  info_ = info;
  pool_ = BlockPool(info.num_blocks);
  open_.clear();
  to_close_.clear();
  in_flight_.clear();
  next_number_ = 0;
  while (!running_.empty()) {
    Sequence& sequence = *running_.back();
    sequence.opened_as = 0;
    sequence.num_computed = 0;
    sequence.is_in_flight = false;
    sequence.blocks.clear();
    waiting_.push_front(std::move(running_.back()));
    running_.pop_back();
  }
}

void Scheduler::add(std::unique_ptr<Sequence> sequence) {
  sequence->arrival = next_arrival_++;
  waiting_.push_back(std::move(sequence));
}

bool Scheduler::cancel(std::uint64_t request, std::int32_t choice) {
  const auto is_it = [&](const std::unique_ptr<Sequence>& s) { return s->request == request && s->choice == choice; };
  if (const auto it = std::find_if(waiting_.begin(), waiting_.end(), is_it); it != waiting_.end()) {
    waiting_.erase(it);
    return true;
  }
  const auto it = std::find_if(running_.begin(), running_.end(), is_it);
  if (it == running_.end()) return false;
  stop_running(**it);
  running_.erase(it);
  return true;
}

std::vector<std::unique_ptr<Sequence>> Scheduler::take_all() {
  std::vector<std::unique_ptr<Sequence>> all;
  for (auto& sequence : running_) {
    stop_running(*sequence);
    all.push_back(std::move(sequence));
  }
  running_.clear();
  for (auto& sequence : waiting_) all.push_back(std::move(sequence));
  waiting_.clear();
  return all;
}

// Closing frees the blocks at once although plans in flight may still write them: whoever gets them next is written by a
// later plan, and every stage runs plans in order.
void Scheduler::stop_running(Sequence& sequence) {
  if (sequence.opened_as != 0) {
    to_close_.push_back(sequence.opened_as);
    open_.erase(sequence.opened_as);
    sequence.opened_as = 0;
  }
  pool_.release(sequence.blocks);
  sequence.blocks.clear();
  sequence.num_computed = 0;
  sequence.is_in_flight = false;
}

std::optional<step::StepPlan> Scheduler::schedule() {
  step::StepPlan plan{.deployment = info_.deployment, .generation = info_.generation};
  schedule_decodes(plan);
  schedule_prompts(plan);
  plan.close = std::exchange(to_close_, {});
  if (plan.slices.empty() && plan.close.empty()) return std::nullopt;
  plan.number = next_number_++;
  PlanInFlight record{.number = plan.number, .num_tokens = plan.num_tokens()};
  for (const step::Slice& slice : plan.slices) {
    record.slices.push_back(slice.sequence);
    if (slice.ids.size() > 1) record.num_prompt_tokens += static_cast<std::int64_t>(slice.ids.size());
  }
  in_flight_.push_back(std::move(record));
  return plan;
}

void Scheduler::schedule_decodes(step::StepPlan& plan) {
  // Preemption takes sequences from the end of the list, so `next` stays valid until it reaches them.
  for (auto it = running_.begin(); it != running_.end(); ++it) {
    Sequence& sequence = **it;
    const auto num_ids = static_cast<std::int32_t>(sequence.ids.size());
    if (sequence.is_in_flight || sequence.num_computed != num_ids - 1) continue;
    if (!grow(plan, sequence, num_ids)) break;
    add_slice(plan, sequence, 1);
  }
}

void Scheduler::schedule_prompts(step::StepPlan& plan) {
  std::int32_t left = chunk_tokens_;
  const auto chunk = [&](Sequence& sequence) {
    const auto num_ids = static_cast<std::int32_t>(sequence.ids.size());
    const std::int32_t num_new = std::min(left, num_ids - sequence.num_computed);
    if (num_new <= 0 || !grow(plan, sequence, sequence.num_computed + num_new)) return;
    add_slice(plan, sequence, num_new);
    left -= num_new;
  };
  for (auto& sequence : running_) {
    if (left > 0 && !sequence->is_in_flight) chunk(*sequence);
  }
  while (left > 0 && !waiting_.empty() && num_running() < options_.max_num_seqs) {
    const Sequence& next = *waiting_.front();
    // The whole of it must fit beside what runs, or it would be preempted again at once.
    if (blocks_for(static_cast<std::int32_t>(next.ids.size()) + 1, info_.block_size) > pool_.num_free()) break;
    admit(plan);
    chunk(*running_.back());
  }
}

void Scheduler::admit(step::StepPlan& plan) {
  running_.push_back(std::move(waiting_.front()));
  waiting_.pop_front();
  Sequence& sequence = *running_.back();
  sequence.opened_as = next_sequence_id_++;
  open_[sequence.opened_as] = &sequence;
  plan.open.push_back({.sequence = sequence.opened_as,
                       .sampling = sequence.sampling,
                       .ids = sequence.ids,
                       .num_prompt_ids = sequence.num_prompt_ids});
}

void Scheduler::add_slice(step::StepPlan& plan, Sequence& sequence, std::int32_t num_ids) {
  // `grow` has appended the blocks of these positions to the slice that it started.
  step::Slice& slice = plan.slices.back();
  const auto first = sequence.ids.begin() + sequence.num_computed;
  slice.first_position = sequence.num_computed;
  slice.ids.assign(first, first + num_ids);
  sequence.num_computed += num_ids;
  if (sequence.num_computed == static_cast<std::int32_t>(sequence.ids.size())) {
    slice.requests.push_back({.row = num_ids - 1});
    sequence.is_in_flight = true;
  }
}

bool Scheduler::grow(step::StepPlan& plan, Sequence& sequence, std::int32_t num_positions) {
  const auto held = static_cast<std::int32_t>(sequence.blocks.size());
  const std::int32_t missing = std::max(0, blocks_for(num_positions, info_.block_size) - held);
  auto blocks = pool_.allocate(missing);
  while (!blocks) {
    if (!preempt_youngest(plan, sequence)) return false;
    blocks = pool_.allocate(missing);
  }
  sequence.blocks.insert(sequence.blocks.end(), blocks->begin(), blocks->end());
  plan.slices.push_back({.sequence = sequence.opened_as, .blocks_added = std::move(*blocks)});
  return true;
}

bool Scheduler::preempt_youngest(step::StepPlan& plan, const Sequence& keep) {
  if (running_.empty() || running_.back().get() == &keep) return false;
  Sequence& youngest = *running_.back();
  const step::SequenceId was = youngest.opened_as;
  // It may have rows in this very plan, or have been opened by it.
  std::erase_if(plan.slices, [&](const step::Slice& slice) { return slice.sequence == was; });
  const bool opened_now = std::erase_if(plan.open, [&](const step::OpenSequence& open) { return open.sequence == was; }) > 0;
  stop_running(youngest);
  if (opened_now) to_close_.pop_back();
  ++num_preemptions_;
  waiting_.push_front(std::move(running_.back()));
  running_.pop_back();
  return true;
}

std::vector<SequenceEvent> Scheduler::apply(const step::StepResult& result, std::chrono::nanoseconds elapsed) {
  if (in_flight_.empty() || in_flight_.front().number != result.number ||
      in_flight_.front().slices.size() != result.slices.size()) {
    throw Error(Code::kInternal, "scheduler: result " + std::to_string(result.number) + " is not of the oldest plan in flight");
  }
  const PlanInFlight plan = std::move(in_flight_.front());
  in_flight_.pop_front();
  adapt_chunk(plan, elapsed);
  std::vector<SequenceEvent> events;
  for (std::size_t i = 0; i < plan.slices.size(); ++i) {
    const auto it = open_.find(plan.slices[i]);
    if (it == open_.end() || result.slices[i].rows.empty()) continue;  // cancelled or preempted since, or no row was wanted
    Sequence& sequence = *it->second;
    sequence.is_in_flight = false;
    for (const step::TokenResult& token : result.slices[i].rows.front().tokens) {
      events.push_back({sequence.request, append(sequence, token)});
      if (events.back().event.finish) break;
    }
    if (events.back().event.finish) {
      stop_running(sequence);
      std::erase_if(running_, [&](const auto& s) { return s.get() == &sequence; });
    }
  }
  return events;
}

std::optional<std::uint64_t> Scheduler::request_of(step::SequenceId sequence) const {
  const auto it = open_.find(sequence);
  if (it == open_.end()) return std::nullopt;
  return it->second->request;
}

TokenEvent Scheduler::append(Sequence& sequence, const step::TokenResult& token) {
  sequence.ids.push_back(token.id);
  TokenEvent event{.choice = sequence.choice, .token = token};
  const std::int32_t num_output = static_cast<std::int32_t>(sequence.ids.size()) - sequence.num_prompt_ids;
  const bool may_end = num_output > sequence.sampling.min_tokens;
  if (may_end && contains(sequence.end_ids, token.id)) {
    event.is_end_token = true;
    event.finish = FinishReason::kStop;
  } else if (may_end && contains(sequence.stop_token_ids, token.id)) {
    event.is_end_token = true;
    event.stop_token = token.id;
    event.finish = FinishReason::kStop;
  } else if (static_cast<std::int32_t>(sequence.ids.size()) >= sequence.max_len) {
    event.finish = FinishReason::kLength;
  }
  return event;
}

// Moves the chunk towards what takes prefill_target; at most doubling, since one step's time is noisy.
void Scheduler::adapt_chunk(const PlanInFlight& plan, std::chrono::nanoseconds elapsed) {
  if (plan.num_prompt_tokens < kMinChunkTokens || elapsed.count() <= 0) return;
  const double seconds = to_seconds(elapsed), target = to_seconds(options_.prefill_target);
  const double wanted = static_cast<double>(plan.num_tokens) * target / seconds;
  const double bounded = std::clamp(wanted, chunk_tokens_ * 0.5, chunk_tokens_ * 2.0);
  const auto rounded = static_cast<std::int32_t>(bounded) / kMinChunkTokens * kMinChunkTokens;
  chunk_tokens_ = std::clamp(rounded, kMinChunkTokens, std::max(kMinChunkTokens, options_.max_step_tokens));
}

}  // namespace tandem::engine
