// Asks the system for large pages under weights: decode reads all of them once a token, and a page walk per 4 KiB costs a
// fifth of the bandwidth. Called by the weight loader before it writes a tensor.
#pragma once

#include <cstddef>

namespace tandem::model {

/// Advice for the whole pages within [data, data + bytes); does nothing where the system has no such advice or refuses it.
void advise_huge_pages(void* data, std::size_t bytes);

}  // namespace tandem::model
