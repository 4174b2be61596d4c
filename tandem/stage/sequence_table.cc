#include "tandem/stage/sequence_table.h"

#include <algorithm>
#include <unordered_set>

#include "tandem/base/error.h"
#include "tandem/base/strings.h"

namespace tandem::stage {
namespace {

[[noreturn]] void reject(const step::StepPlan& plan, step::SequenceId sequence,
                         const std::string& why) {
  throw Error(Code::kCorrupt, "plan " + std::to_string(plan.number) + ", sequence " +
                                  std::to_string(sequence) + ": " + why);
}

}  // namespace

void Sequence::count_through(std::int32_t position) {
  for (; num_counted <= position; ++num_counted)
    counts.add_output(ids.at(static_cast<std::size_t>(num_counted)));
}

std::int32_t Sequence::num_output_through(std::int32_t position) const {
  return std::max(0, position + 1 - num_prompt_ids);
}

model::Batch SequenceTable::apply(const step::StepPlan& plan) {
  close(plan);
  open(plan);
  check_copies(plan);
  std::unordered_set<step::SequenceId> seen;
  for (const step::Slice& slice : plan.slices) {
    if (!seen.insert(slice.sequence).second) reject(plan, slice.sequence, "has two slices");
    append(plan, slice);
  }
  model::Batch batch;
  for (const step::Slice& slice : plan.slices) {
    const auto num_rows = static_cast<std::int64_t>(slice.ids.size());
    batch.slices.push_back({.first_row = static_cast<std::int64_t>(batch.ids.size()),
                            .num_rows = num_rows,
                            .first_position = slice.first_position,
                            .block_table = at(slice.sequence).blocks});
    batch.ids.insert(batch.ids.end(), slice.ids.begin(), slice.ids.end());
  }
  return batch;
}

Sequence& SequenceTable::at(step::SequenceId id) {
  const auto it = sequences_.find(id);
  if (it == sequences_.end())
    throw Error(Code::kCorrupt, "sequence " + std::to_string(id) + " is not open");
  return it->second;
}

void SequenceTable::close(const step::StepPlan& plan) {
  for (const step::SequenceId id : plan.close) {
    if (sequences_.erase(id) == 0) reject(plan, id, "is closed but not open");
  }
}

void SequenceTable::open(const step::StepPlan& plan) {
  for (const step::OpenSequence& opened : plan.open) {
    const auto num_ids = static_cast<std::int32_t>(opened.ids.size());
    if (num_ids == 0 || num_ids > bounds_.max_model_len) {
      reject(plan, opened.sequence,
             format("opens with %d ids, at least 1 and at most %d may be", num_ids,
                    bounds_.max_model_len));
    }
    if (opened.num_prompt_ids < 0 || opened.num_prompt_ids > num_ids) {
      reject(plan, opened.sequence,
             format("opens with %d ids of which %d are prompt", num_ids, opened.num_prompt_ids));
    }
    if (!std::ranges::all_of(opened.ids, [&](step::TokenId id) { return is_token(id); })) {
      reject(plan, opened.sequence, "opens with an id outside the vocabulary");
    }
    if (!std::ranges::all_of(opened.blocks, [&](step::BlockId block) { return is_block(block); })) {
      reject(plan, opened.sequence, "opens with a block outside the pool");
    }
    Sequence sequence{.sampling = opened.sampling,
                      .ids = opened.ids,
                      .num_prompt_ids = opened.num_prompt_ids,
                      .blocks = opened.blocks,
                      .num_counted = opened.num_prompt_ids};
    // At least the last id is computed here: a draw needs its row.
    const auto held = static_cast<std::int64_t>(opened.blocks.size()) * bounds_.block_size;
    sequence.num_computed = static_cast<std::int32_t>(std::min<std::int64_t>(held, num_ids - 1));
    if (bounds_.draws && model::needs_counts(opened.sampling)) {
      sequence.counts.add_prompt(
          {opened.ids.data(), static_cast<std::size_t>(opened.num_prompt_ids)});
    }
    if (!sequences_.emplace(opened.sequence, std::move(sequence)).second)
      reject(plan, opened.sequence, "is open already");
  }
}

void SequenceTable::check_copies(const step::StepPlan& plan) const {
  for (const step::BlockCopy& copy : plan.copy) {
    if (!is_block(copy.from) || !is_block(copy.to)) {
      throw Error(Code::kCorrupt, format("plan %llu: copies block %d to %d, outside the pool of %d",
                                         static_cast<unsigned long long>(plan.number), copy.from,
                                         copy.to, bounds_.num_blocks));
    }
  }
}

void SequenceTable::append(const step::StepPlan& plan, const step::Slice& slice) {
  const auto it = sequences_.find(slice.sequence);
  if (it == sequences_.end()) reject(plan, slice.sequence, "has a slice but is not open");
  Sequence& sequence = it->second;
  if (slice.first_position != sequence.num_computed) {
    reject(plan, slice.sequence,
           format("slice starts at position %d, %d are computed", slice.first_position,
                  sequence.num_computed));
  }
  if (slice.ids.empty()) reject(plan, slice.sequence, "has an empty slice");
  const std::int64_t end = slice.first_position + static_cast<std::int64_t>(slice.ids.size());
  if (end > bounds_.max_model_len) {
    reject(plan, slice.sequence,
           format("reaches position %lld of at most %d", static_cast<long long>(end),
                  bounds_.max_model_len));
  }
  for (std::size_t i = 0; i < slice.ids.size(); ++i) {
    const std::size_t position = static_cast<std::size_t>(slice.first_position) + i;
    if (!is_token(slice.ids[i]))
      reject(plan, slice.sequence, format("id %d is outside the vocabulary", slice.ids[i]));
    if (position == sequence.ids.size()) sequence.ids.push_back(slice.ids[i]);
    if (sequence.ids[position] != slice.ids[i]) {
      reject(plan, slice.sequence,
             format("another id at position %zu than it was opened with", position));
    }
  }
  for (const step::BlockId block : slice.blocks_added) {
    if (!is_block(block))
      reject(plan, slice.sequence,
             format("block %d is outside the pool of %d", block, bounds_.num_blocks));
    sequence.blocks.push_back(block);
  }
  if (end > static_cast<std::int64_t>(sequence.blocks.size()) * bounds_.block_size) {
    reject(plan, slice.sequence,
           format("reaches position %lld, its %zu blocks hold fewer", static_cast<long long>(end),
                  sequence.blocks.size()));
  }
  std::int32_t last_row = -1;
  for (const step::RowRequest& request : slice.requests) {
    if (request.row < std::max(0, last_row) ||
        static_cast<std::size_t>(request.row) >= slice.ids.size()) {
      reject(plan, slice.sequence,
             format("asks for row %d of %zu, rows ascend", request.row, slice.ids.size()));
    }
    if (request.kind == step::RowRequest::Kind::kLogprobOf && !is_token(request.id)) {
      reject(plan, slice.sequence, format("asks for id %d, outside the vocabulary", request.id));
    }
    last_row = request.row;
  }
  sequence.num_computed = static_cast<std::int32_t>(end);
}

}  // namespace tandem::stage
