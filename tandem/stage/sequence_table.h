// What one rank knows of the sequences of a generation: block tables, computed positions, ids and
// penalty counts. All of it follows from the plans, in order. Torch-free; called by the step loop
// alone.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "tandem/model/batch.h"
#include "tandem/model/sampler.h"
#include "tandem/step/step_plan.h"

namespace tandem::stage {

/// One open sequence.
struct Sequence {
  step::SamplingParams sampling;
  std::vector<step::TokenId> ids;  ///< all known so far: prompt, then output
  std::int32_t num_prompt_ids = 0;
  std::int32_t num_computed = 0;      ///< positions whose KV is in `blocks`
  std::vector<step::BlockId> blocks;  ///< block b holds positions [b · B, (b + 1) · B)
  model::TokenCounts
      counts;  ///< of the prompt and of the output ids that `count_through` has passed
  std::int32_t num_counted = 0;  ///< ids that `counts` has seen

  /// Brings `counts` up to the id at `position`, for a draw after it.
  void count_through(std::int32_t position);
  /// Output ids up to and with the one at `position`.
  std::int32_t num_output_through(std::int32_t position) const;
};

/// The open sequences of a generation. A plan that does not follow from those before it throws
/// Error{kCorrupt} that names the plan and the sequence; the table is then unfit for further plans,
/// as the generation is.
class SequenceTable {
 public:
  struct Bounds {
    std::int32_t num_blocks = 0, block_size = 16;
    std::int32_t max_model_len = 0;  ///< positions a sequence may have
    std::int32_t vocab_size = 0;     ///< V: ids are below it
    bool draws = false;              ///< last rank: keeps penalty counts
  };
  explicit SequenceTable(const Bounds& bounds) : bounds_(bounds) {}

  /// Closes, opens and appends as the plan says and returns the rows to compute. The batch points
  /// into the sequences' block tables: valid until the next call.
  model::Batch apply(const step::StepPlan& plan);
  /// An open sequence; throws Error{kCorrupt} when there is none of that id.
  Sequence& at(step::SequenceId id);
  std::size_t size() const { return sequences_.size(); }

 private:
  void close(const step::StepPlan& plan);
  void open(const step::StepPlan& plan);
  void check_copies(const step::StepPlan& plan) const;
  void append(const step::StepPlan& plan, const step::Slice& slice);
  bool is_block(step::BlockId block) const { return block >= 0 && block < bounds_.num_blocks; }
  bool is_token(step::TokenId id) const { return id >= 0 && id < bounds_.vocab_size; }

  const Bounds bounds_;
  std::unordered_map<step::SequenceId, Sequence> sequences_;
};

}  // namespace tandem::stage
