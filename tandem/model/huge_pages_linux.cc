#include <sys/mman.h>

#include <cstdint>

#include "tandem/model/huge_pages.h"

namespace tandem::model {

void advise_huge_pages(void* data, std::size_t bytes) {
  // Only whole huge pages, so that none is made for memory that is not the tensor's.
  constexpr std::uintptr_t kHugePage = 2u << 20;
  const auto begin = reinterpret_cast<std::uintptr_t>(data);
  const std::uintptr_t first = (begin + kHugePage - 1) / kHugePage * kHugePage;
  const std::uintptr_t end = (begin + bytes) / kHugePage * kHugePage;
  if (first < end) ::madvise(reinterpret_cast<void*>(first), end - first, MADV_HUGEPAGE);
}

}  // namespace tandem::model
