#include "tandem/step/codec.h"

#include "tandem/base/bytes.h"

namespace tandem::step {
namespace {

constexpr PlanLimits kLimits;

void put(ByteWriter& out, const SamplingParams& p) {
  out.put(p.temperature);
  out.put(p.top_p);
  out.put(p.top_k);
  out.put(p.min_p);
  out.put(p.repetition_penalty);
  out.put(p.frequency_penalty);
  out.put(p.presence_penalty);
  out.put(static_cast<std::uint32_t>(p.logit_bias.size()));
  for (const auto& [id, bias] : p.logit_bias) {
    out.put(id);
    out.put(bias);
  }
  out.put(p.min_tokens);
  out.put_array(p.end_ids);
  out.put(p.num_logprobs);
  out.put(p.seed);
  out.put(p.choice);
}

SamplingParams get_sampling(ByteReader& in) {
  SamplingParams p;
  p.temperature = in.get<float>();
  p.top_p = in.get<float>();
  p.top_k = in.get<std::int32_t>();
  p.min_p = in.get<float>();
  p.repetition_penalty = in.get<float>();
  p.frequency_penalty = in.get<float>();
  p.presence_penalty = in.get<float>();
  p.logit_bias.resize(in.get_count(kLimits.max_logit_bias, 8));
  for (auto& [id, bias] : p.logit_bias) {
    id = in.get<TokenId>();
    bias = in.get<float>();
  }
  p.min_tokens = in.get<std::int32_t>();
  p.end_ids = in.get_array<TokenId>(kLimits.max_end_ids);
  p.num_logprobs = in.get<std::int32_t>();
  p.seed = in.get<std::uint64_t>();
  p.choice = in.get<std::int32_t>();
  return p;
}

void put(ByteWriter& out, const OpenSequence& open) {
  out.put(open.sequence);
  put(out, open.sampling);
  out.put_array(open.ids);
  out.put(open.num_prompt_ids);
  out.put_array(open.blocks);
}

OpenSequence get_open(ByteReader& in) {
  OpenSequence open;
  open.sequence = in.get<SequenceId>();
  open.sampling = get_sampling(in);
  open.ids = in.get_array<TokenId>(kLimits.max_ids);
  open.num_prompt_ids = in.get<std::int32_t>();
  open.blocks = in.get_array<BlockId>(kLimits.max_blocks);
  return open;
}

void put(ByteWriter& out, const Slice& slice) {
  out.put(slice.sequence);
  out.put(slice.first_position);
  out.put_array(slice.ids);
  out.put_array(slice.blocks_added);
  out.put(static_cast<std::uint32_t>(slice.requests.size()));
  for (const RowRequest& request : slice.requests) {
    out.put(request.row);
    out.put(request.kind);
    out.put(request.num_samples);
    out.put(request.id);
  }
}

Slice get_slice(ByteReader& in) {
  Slice slice;
  slice.sequence = in.get<SequenceId>();
  slice.first_position = in.get<std::int32_t>();
  slice.ids = in.get_array<TokenId>(kLimits.max_ids);
  slice.blocks_added = in.get_array<BlockId>(kLimits.max_blocks);
  slice.requests.resize(in.get_count(kLimits.max_ids, 13));
  for (RowRequest& request : slice.requests) {
    request.row = in.get<std::int32_t>();
    request.kind = in.get_enum(RowRequest::Kind::kHidden);
    request.num_samples = in.get<std::int32_t>();
    request.id = in.get<TokenId>();
  }
  return slice;
}

void put(ByteWriter& out, const RankPart& part) {
  out.put(part.rank);
  out.put(part.sequence);
  out.put(part.kind);
  out.put_array(part.bytes);
}

RankPart get_rank_part(ByteReader& in) {
  RankPart part;
  part.rank = in.get<std::int32_t>();
  part.sequence = in.get<SequenceId>();
  part.kind = in.get_enum(RankPart::Kind::kDraftIds);
  part.bytes = in.get_array<std::uint8_t>(kMaxPlanBytes);
  return part;
}

void put(ByteWriter& out, const RowResult& row) {
  out.put(row.row);
  out.put(static_cast<std::uint32_t>(row.tokens.size()));
  for (const TokenResult& token : row.tokens) {
    out.put(token.id);
    out.put(token.logprob);
    out.put(token.rank);
    out.put(static_cast<std::uint32_t>(token.top.size()));
    for (const TopLogprob& top : token.top) {
      out.put(top.id);
      out.put(top.logprob);
    }
  }
  out.put_array(row.hidden);
}

RowResult get_row_result(ByteReader& in) {
  RowResult row;
  row.row = in.get<std::int32_t>();
  row.tokens.resize(in.get_count(kLimits.max_ids, 16));
  for (TokenResult& token : row.tokens) {
    token.id = in.get<TokenId>();
    token.logprob = in.get<float>();
    token.rank = in.get<std::int32_t>();
    token.top.resize(in.get_count(kLimits.max_ids, 8));
    for (TopLogprob& top : token.top) {
      top.id = in.get<TokenId>();
      top.logprob = in.get<float>();
    }
  }
  row.hidden = in.get_array<float>(kLimits.max_ids);
  return row;
}

}  // namespace

std::int64_t StepPlan::num_tokens() const {
  std::int64_t count = 0;
  for (const Slice& slice : slices) count += static_cast<std::int64_t>(slice.ids.size());
  return count;
}

std::vector<std::uint8_t> encode(const StepPlan& plan) {
  ByteWriter out;
  out.put(plan.deployment);
  out.put(plan.generation);
  out.put(plan.number);
  out.put_array(plan.close);
  out.put(static_cast<std::uint32_t>(plan.open.size()));
  for (const OpenSequence& open : plan.open) put(out, open);
  out.put(static_cast<std::uint32_t>(plan.copy.size()));
  for (const BlockCopy& copy : plan.copy) {
    out.put(copy.from);
    out.put(copy.to);
  }
  out.put(static_cast<std::uint32_t>(plan.slices.size()));
  for (const Slice& slice : plan.slices) put(out, slice);
  out.put(static_cast<std::uint32_t>(plan.rank_parts.size()));
  for (const RankPart& part : plan.rank_parts) put(out, part);
  return out.take();
}

StepPlan decode_plan(std::span<const std::uint8_t> bytes) {
  ByteReader in(bytes, "step plan");
  StepPlan plan;
  plan.deployment = in.get<std::uint32_t>();
  plan.generation = in.get<std::uint64_t>();
  plan.number = in.get<std::uint64_t>();
  plan.close = in.get_array<SequenceId>(kLimits.max_sequences);
  const std::size_t num_open = in.get_count(kLimits.max_sequences, 72);
  for (std::size_t i = 0; i < num_open; ++i) plan.open.push_back(get_open(in));
  plan.copy.resize(in.get_count(kLimits.max_blocks, 8));
  for (BlockCopy& copy : plan.copy) {
    copy.from = in.get<BlockId>();
    copy.to = in.get<BlockId>();
  }
  const std::size_t num_slices = in.get_count(kLimits.max_sequences, 24);
  for (std::size_t i = 0; i < num_slices; ++i) plan.slices.push_back(get_slice(in));
  const std::size_t num_parts = in.get_count(kLimits.max_sequences, 17);
  for (std::size_t i = 0; i < num_parts; ++i) plan.rank_parts.push_back(get_rank_part(in));
  in.expect_end();
  return plan;
}

std::vector<std::uint8_t> encode(const StepResult& result) {
  ByteWriter out;
  out.put(result.deployment);
  out.put(result.generation);
  out.put(result.number);
  out.put(static_cast<std::uint32_t>(result.slices.size()));
  for (const SliceResult& slice : result.slices) {
    out.put(slice.sequence);
    out.put(static_cast<std::uint32_t>(slice.rows.size()));
    for (const RowResult& row : slice.rows) put(out, row);
  }
  out.put(result.timing.rank);
  out.put(result.timing.compute_us);
  out.put(result.timing.wait_us);
  out.put(result.timing.wire_us);
  out.put(result.timing.wire_bytes);
  return out.take();
}

StepResult decode_result(std::span<const std::uint8_t> bytes) {
  ByteReader in(bytes, "step result");
  StepResult result;
  result.deployment = in.get<std::uint32_t>();
  result.generation = in.get<std::uint64_t>();
  result.number = in.get<std::uint64_t>();
  result.slices.resize(in.get_count(kLimits.max_sequences, 12));
  for (SliceResult& slice : result.slices) {
    slice.sequence = in.get<SequenceId>();
    const std::size_t num_rows = in.get_count(kLimits.max_ids, 12);
    for (std::size_t i = 0; i < num_rows; ++i) slice.rows.push_back(get_row_result(in));
  }
  result.timing.rank = in.get<std::int32_t>();
  result.timing.compute_us = in.get<std::int64_t>();
  result.timing.wait_us = in.get<std::int64_t>();
  result.timing.wire_us = in.get<std::int64_t>();
  result.timing.wire_bytes = in.get<std::uint64_t>();
  in.expect_end();
  return result;
}

}  // namespace tandem::step
