// The bytes of plans and results, documented in docs/protocol.md. Called by `cluster` and `stage` around every step.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tandem/step/step_plan.h"

namespace tandem::step {

std::vector<std::uint8_t> encode(const StepPlan& plan);
std::vector<std::uint8_t> encode(const StepResult& result);

/// Throw Error{kCorrupt} on bytes that are not exactly one plan or result within PlanLimits. Counts are checked against the
/// bytes that are left before anything is allocated.
StepPlan decode_plan(std::span<const std::uint8_t> bytes);
StepResult decode_result(std::span<const std::uint8_t> bytes);

}  // namespace tandem::step
