#include "tandem/model/huge_pages.h"

namespace tandem::model {

// macOS has 16 KiB pages and offers no advice for larger ones on Apple silicon.
void advise_huge_pages(void*, std::size_t) {}

}  // namespace tandem::model
