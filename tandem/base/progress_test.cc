#include "tandem/base/progress.h"

#include <gtest/gtest.h>

namespace tandem {
namespace {

TEST(DrawBar, fills_from_nothing_to_everything) {
  EXPECT_EQ(draw_bar(0, 1024, 4), "[>   ] 0 % of 1.0 KiB");
  EXPECT_EQ(draw_bar(512, 1024, 4), "[==> ] 50 % of 1.0 KiB");
  EXPECT_EQ(draw_bar(1024, 1024, 4), "[====] 100 % of 1.0 KiB");
}

TEST(DrawBar, nothing_to_do_is_complete) { EXPECT_EQ(draw_bar(0, 0, 2), "[==] 100 % of 0 B"); }

}  // namespace
}  // namespace tandem
