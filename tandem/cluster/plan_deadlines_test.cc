#include "tandem/cluster/plan_deadlines.h"

#include <gtest/gtest.h>

namespace tandem::cluster {
namespace {

using std::chrono::seconds;

constexpr PlanDeadlines::TimePoint kStart{seconds(1000)};

TEST(PlanDeadlines, a_step_that_computes_for_a_minute_is_no_loss) {
  PlanDeadlines deadlines;
  deadlines.submitted(0, 1, kStart);
  EXPECT_FALSE(deadlines.overdue(kStart + seconds(60)));
  EXPECT_TRUE(deadlines.overdue(kStart + PlanDeadlines::kAtLeast));
}

TEST(PlanDeadlines, a_slow_machine_gets_ten_times_what_its_slowest_token_took) {
  PlanDeadlines deadlines;
  deadlines.submitted(0, 10, kStart);
  deadlines.done(0, kStart + seconds(100));
  deadlines.submitted(1, 20, kStart);
  EXPECT_FALSE(deadlines.overdue(kStart + seconds(1999)));
  EXPECT_TRUE(deadlines.overdue(kStart + seconds(2000)));
}

TEST(PlanDeadlines, finished_and_forgotten_plans_are_never_late) {
  PlanDeadlines deadlines;
  deadlines.submitted(0, 1, kStart);
  deadlines.done(0, kStart + seconds(1));
  EXPECT_FALSE(deadlines.overdue(kStart + seconds(9999)));
  deadlines.submitted(1, 1, kStart);
  deadlines.clear();
  EXPECT_FALSE(deadlines.overdue(kStart + seconds(9999)));
}

}  // namespace
}  // namespace tandem::cluster
