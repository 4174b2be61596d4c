// The contract between scheduler and stages: what one step computes and what comes back. Everything a stage knows about a
// sequence follows from `open` and later plans; both ends compute every tensor's size from the same plan.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tandem/step/sampling.h"

namespace tandem::step {

using SequenceId = std::uint64_t;  ///< unique within a deployment, never used again
using BlockId = std::int32_t;      ///< one id space for all stages of a generation
using TokenId = std::int32_t;

/// A sequence begins, or begins again after preemption.
struct OpenSequence {
  SequenceId sequence = 0;
  SamplingParams sampling;
  std::vector<TokenId> ids;          ///< all so far: prompt, then output
  std::int32_t num_prompt_ids = 0;   ///< how many of `ids` are prompt; the rest count as output for penalties
  std::vector<BlockId> blocks;       ///< blocks that already hold KV (a cached prefix); may be empty
  bool operator==(const OpenSequence&) const = default;
};

/// Copies one KV block to another on every stage, before any row of the step is computed.
struct BlockCopy {
  BlockId from = 0, to = 0;
  bool operator==(const BlockCopy&) const = default;
};

/// What is asked of a row's output; rows without an entry are computed for their KV alone.
struct RowRequest {
  enum class Kind : std::uint8_t { kSample, kLogprobOf, kHidden };
  std::int32_t row = 0;              ///< index within the slice, 0 ≤ row < ids.size()
  Kind kind = Kind::kSample;
  std::int32_t num_samples = 1;      ///< kSample: draws, with choice indices from sampling.choice on
  TokenId id = 0;                    ///< kLogprobOf: the id whose log-probability is wanted
  bool operator==(const RowRequest&) const = default;
};

/// One sequence's part of a step: tokens [first_position, first_position + ids.size()).
struct Slice {
  SequenceId sequence = 0;
  std::int32_t first_position = 0;   ///< must be the number of positions computed so far, else the step is an error
  std::vector<TokenId> ids;          ///< not empty
  std::vector<BlockId> blocks_added; ///< appended to the sequence's block table before the rows are computed
  std::vector<RowRequest> requests;  ///< by ascending row
  bool operator==(const Slice&) const = default;
};

/// An optional part that concerns one rank only.
struct RankPart {
  enum class Kind : std::uint8_t { kTokenBitmask, kDraftIds };
  std::int32_t rank = 0;
  SequenceId sequence = 0;
  Kind kind = Kind::kTokenBitmask;
  std::vector<std::uint8_t> bytes;   ///< kTokenBitmask: ceil(V / 8), bit i of byte i / 8 allows token i
  bool operator==(const RankPart&) const = default;
};

/// One step of one generation. Every stage runs every plan, whole, in number order: close, open, copy, then the slices.
struct StepPlan {
  std::uint32_t deployment = 0;
  std::uint64_t generation = 0;
  std::uint64_t number = 0;          ///< 0, 1, 2, … within the generation
  std::vector<SequenceId> close;
  std::vector<OpenSequence> open;
  std::vector<BlockCopy> copy;
  std::vector<Slice> slices;         ///< may be empty: a plan that only closes
  std::vector<RankPart> rank_parts;
  bool operator==(const StepPlan&) const = default;

  /// T: rows that travel between ranks.
  std::int64_t num_tokens() const;
};

struct TopLogprob {
  TokenId id = 0;
  float logprob = 0;
  bool operator==(const TopLogprob&) const = default;
};

/// One token, drawn or asked about.
struct TokenResult {
  TokenId id = 0;
  float logprob = 0;                 ///< raw log-softmax; 0 unless asked for
  std::int32_t rank = 0;             ///< how many tokens are at least as likely, 1 = the most likely; 0 unless asked for
  std::vector<TopLogprob> top;       ///< most likely first; the bit-equal values that `logprob` would show
  bool operator==(const TokenResult&) const = default;
};

/// The answer to one RowRequest.
struct RowResult {
  std::int32_t row = 0;
  std::vector<TokenResult> tokens;   ///< kSample: num_samples; kLogprobOf: one; kHidden: none
  std::vector<float> hidden;         ///< kHidden: [H], after the final norm
  bool operator==(const RowResult&) const = default;
};

struct SliceResult {
  SequenceId sequence = 0;
  std::vector<RowResult> rows;       ///< in the order of Slice::requests
  bool operator==(const SliceResult&) const = default;
};

/// Where one stage's time went in one step.
struct StageTiming {
  std::int32_t rank = 0;
  std::int64_t compute_us = 0, wait_us = 0, wire_us = 0;  ///< layers; waiting for input; sending
  std::uint64_t wire_bytes = 0;
  bool operator==(const StageTiming&) const = default;
};

struct StepResult {
  std::uint32_t deployment = 0;
  std::uint64_t generation = 0;
  std::uint64_t number = 0;
  std::vector<SliceResult> slices;   ///< one for each slice of the plan, in its order
  StageTiming timing;                ///< of the last rank
  bool operator==(const StepResult&) const = default;
};

/// Upper bounds that `decode` holds; a plan within them is at most kMaxPlanBytes long.
struct PlanLimits {
  std::int32_t max_sequences = 4096;
  std::int32_t max_ids = 1 << 21;      ///< of one sequence
  std::int32_t max_blocks = 1 << 24;
  std::int32_t max_logit_bias = 1024;
  std::int32_t max_end_ids = 256;
};
inline constexpr std::size_t kMaxPlanBytes = 64u << 20;

}  // namespace tandem::step
