// What the last rank answers: for each requested row a drawn token, a log-probability or the hidden
// state.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "tandem/model/model.h"
#include "tandem/stage/sequence_table.h"
#include "tandem/step/step_plan.h"

namespace tandem::stage {

/// Answers every RowRequest of a plan that `table` has applied. `hidden`: f32 [T, H] on the model's
/// device, out of the last layer; `batch` as `table` returned it. Ids from `vocab_limit` on are
/// never drawn. One result a slice, in plan order.
std::vector<step::SliceResult> answer_requests(const step::StepPlan& plan,
                                               const model::Batch& batch, const at::Tensor& hidden,
                                               SequenceTable& table, model::Model& model,
                                               std::int32_t vocab_limit, int rank);

}  // namespace tandem::stage
