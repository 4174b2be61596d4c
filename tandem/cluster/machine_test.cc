#include "tandem/cluster/machine.h"

#include <gtest/gtest.h>

#include "tandem/base/error.h"

namespace tandem::cluster {
namespace {

SystemFacts facts(std::uint64_t available, std::uint64_t limit = 0) {
  SystemFacts f;
  f.memory_total_bytes = 1000;
  f.memory_available_bytes = available;
  f.memory_limit_bytes = limit;
  return f;
}

TEST(Machine, the_default_budget_leaves_a_tenth_and_obeys_the_container) {
  EXPECT_EQ(memory_budget(facts(800), ""), 720u);
  EXPECT_EQ(memory_budget(facts(800, 100), ""), 90u);
}

TEST(Machine, reads_percentages_and_sizes) {
  EXPECT_EQ(memory_budget(facts(800), "80%"), 800u);
  EXPECT_EQ(memory_budget(facts(800), "12k"), 12000u);
  for (const auto* bad : {"0%", "101%", "x%", "12Q", "-1"}) EXPECT_THROW(memory_budget(facts(800), bad), Error) << bad;
}

TEST(Machine, knows_itself) {
  const SystemFacts here = system_facts();
  EXPECT_FALSE(here.name.empty());
  EXPECT_EQ(here.machine_id, system_facts().machine_id);
  EXPECT_EQ(here.machine_id.size(), 32u);
  EXPECT_GE(here.performance_cores, 1);
  EXPECT_GT(here.memory_total_bytes, here.memory_available_bytes / 2);
}

TEST(Machine, measures_a_plausible_bandwidth) {
  const double gb_s = measure_read_bandwidth(1, std::chrono::milliseconds(20));
  EXPECT_GT(gb_s, 0.1);
  EXPECT_LT(gb_s, 5000);
}

}  // namespace
}  // namespace tandem::cluster
