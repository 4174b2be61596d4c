// The sum over all ranks, made of sends and receives: one exchange for two ranks, log2 N for more.
// Used by every transport.
#pragma once

#include <ATen/core/Tensor.h>

#include "tandem/comm/comm.h"

namespace tandem::comm {

/// Sum over all ranks, in place; f32, contiguous, on the host. Recursive doubling: rank pairs at
/// distance 1, 2, 4, … exchange and add; ranks beyond the largest power of two hand theirs in
/// before and fetch the sum after. Addition commutes, so every rank ends with the same bits. Moves
/// log2 N times the tensor each way.
void all_reduce_by_exchange(Comm& comm, at::Tensor& tensor, std::uint32_t tag);

}  // namespace tandem::comm
