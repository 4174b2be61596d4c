#include "tandem/stage/answers.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <unordered_map>

#include "tandem/base/error.h"

namespace tandem::stage {
namespace {

using Kind = step::RowRequest::Kind;
using TokenMasks = std::unordered_map<step::SequenceId, std::span<const std::uint8_t>>;

/// Logits of so many rows are held at once: 64 rows of 128 k ids are 33 MB.
constexpr std::size_t kMaxLogitRows = 64;

/// One request, where its row lies and where its answer goes.
struct Asked {
  const step::Slice* slice;
  const step::RowRequest* request;
  std::int64_t row = 0;  // of the step's [T, H]
  step::RowResult* answer;
};

TokenMasks masks_of(const step::StepPlan& plan, int rank) {
  TokenMasks masks;
  for (const step::RankPart& part : plan.rank_parts) {
    if (part.rank != rank) continue;
    if (part.kind != step::RankPart::Kind::kTokenBitmask) {
      throw Error(Code::kUnsupported, "plan " + std::to_string(plan.number) +
                                          ": draft ids are not understood by this stage");
    }
    masks[part.sequence] = part.bytes;
  }
  return masks;
}

at::Tensor rows_of(const at::Tensor& tensor, const std::vector<std::int64_t>& rows) {
  const at::Tensor index = at::tensor(rows, at::kLong);
  return tensor.index_select(0, index.to(tensor.device()));
}

std::span<const float> row_span(const at::Tensor& tensor, std::size_t row) {
  const auto width = static_cast<std::size_t>(tensor.size(1));
  return {tensor.const_data_ptr<float>() + row * width, width};
}

void draw_tokens(const Asked& asked, std::span<const float> logits, Sequence& sequence,
                 const TokenMasks& masks, std::int32_t vocab_limit) {
  const step::SamplingParams& sampling = sequence.sampling;
  if (asked.request->kind == Kind::kLogprobOf) {
    asked.answer->tokens.push_back(model::logprob_of(logits, vocab_limit, asked.request->id,
                                                     std::max(0, sampling.num_logprobs)));
    return;
  }
  const std::int32_t position = asked.slice->first_position + asked.request->row;
  const bool counts = model::needs_counts(sampling);
  if (counts) sequence.count_through(position);
  const auto mask = masks.find(asked.slice->sequence);
  for (std::int32_t draw = 0; draw < asked.request->num_samples; ++draw) {
    asked.answer->tokens.push_back(model::draw(
        logits, vocab_limit,
        {.params = &sampling,
         .counts = counts ? &sequence.counts : nullptr,
         .num_output_tokens = sequence.num_output_through(position),
         .position = position + 1,
         .choice = sampling.choice + draw,
         .allowed = mask == masks.end() ? std::span<const std::uint8_t>() : mask->second}));
  }
}

/// Draws for requests [first, last), whose logits are the rows of `logits`. Sequences are
/// independent of each other; the requests of one go in order, for its counts grow with its rows.
void draw_all(std::span<const Asked> asked, const at::Tensor& logits, SequenceTable& table,
              const TokenMasks& masks, std::int32_t vocab_limit) {
  std::vector<std::pair<std::size_t, std::size_t>> groups;  // [first, last) of one sequence
  for (std::size_t i = 0; i < asked.size(); ++i) {
    if (i == 0 || asked[i].slice != asked[i - 1].slice) groups.emplace_back(i, i);
    groups.back().second = i + 1;
  }
  at::parallel_for(0, static_cast<std::int64_t>(groups.size()), 1,
                   [&](std::int64_t begin, std::int64_t end) {
                     for (std::int64_t g = begin; g < end; ++g) {
                       const auto [first, last] = groups[static_cast<std::size_t>(g)];
                       Sequence& sequence = table.at(asked[first].slice->sequence);
                       for (std::size_t i = first; i < last; ++i)
                         draw_tokens(asked[i], row_span(logits, i), sequence, masks, vocab_limit);
                     }
                   });
}

}  // namespace

std::vector<step::SliceResult> answer_requests(const step::StepPlan& plan,
                                               const model::Batch& batch, const at::Tensor& hidden,
                                               SequenceTable& table, model::Model& model,
                                               std::int32_t vocab_limit, int rank) {
  std::vector<step::SliceResult> results(plan.slices.size());
  std::vector<Asked> drawn, shown;
  for (std::size_t s = 0; s < plan.slices.size(); ++s) {
    const step::Slice& slice = plan.slices[s];
    results[s].sequence = slice.sequence;
    results[s].rows.resize(slice.requests.size());
    for (std::size_t r = 0; r < slice.requests.size(); ++r) {
      const step::RowRequest& request = slice.requests[r];
      results[s].rows[r].row = request.row;
      (request.kind == Kind::kHidden ? shown : drawn)
          .push_back(
              {&slice, &request, batch.slices[s].first_row + request.row, &results[s].rows[r]});
    }
  }
  const TokenMasks masks = masks_of(plan, rank);
  const auto normed = [&](std::span<const Asked> asked) {
    std::vector<std::int64_t> rows;
    for (const Asked& one : asked) rows.push_back(one.row);
    return model.final_norm(rows_of(hidden, rows));
  };
  for (std::size_t first = 0; first < drawn.size(); first += kMaxLogitRows) {
    const std::span<const Asked> chunk =
        std::span(drawn).subspan(first, std::min(kMaxLogitRows, drawn.size() - first));
    const at::Tensor logits = model.logits(normed(chunk)).to(at::kCPU).contiguous();
    draw_all(chunk, logits, table, masks, vocab_limit);
  }
  if (!shown.empty()) {
    const at::Tensor states = normed(shown).to(at::kCPU).contiguous();
    for (std::size_t i = 0; i < shown.size(); ++i) {
      const std::span<const float> state = row_span(states, i);
      shown[i].answer->hidden.assign(state.begin(), state.end());
    }
  }
  return results;
}

}  // namespace tandem::stage
