#include "tandem/cli/doctor_checks.h"

#include <gtest/gtest.h>

namespace tandem::cli {
namespace {

using Result = Check::Result;

link::Identity identity(const std::string& name) { return {link::Role::kHead, "0.1.0", "2.13.0", "linux", "x86_64", name}; }

TEST(DoctorChecks, versions_agree_only_when_both_parts_do) {
  EXPECT_EQ(check_versions(identity("a"), "tandem-stage 0.1.0, torch 2.13.0, gloo-tcp\n").result, Result::kPass);
  EXPECT_EQ(check_versions(identity("a"), "tandem-stage 0.1.1, torch 2.13.0, gloo-tcp").result, Result::kFail);
  EXPECT_EQ(check_versions(identity("a"), "tandem-stage 0.1.0, torch 2.13.01, gloo-tcp").result, Result::kFail);
  EXPECT_EQ(check_versions(identity("a"), "").result, Result::kFail);
}

TEST(DoctorChecks, every_problem_comes_with_a_fix) {
  link::Identity other = identity("mini2");
  other.torch_version = "2.12.0";
  const std::vector<Check> troubled = {
      check_versions(identity("a"), "sh: not found"),
      check_memory(1 << 20, {}, 1),
      check_memory(512 << 20, {}, 1),
      check_addresses({{"lo", "127.0.0.1"}}),
      check_cache("/there", false, 0),
      check_cache("/there", true, 5),
      check_match(identity("a"), other),
      check_route("10.0.0.2", "wlan0", "10.0.0.1"),
      check_round_trip({40}),
      check_rate("to mini1", 3),
      check_meeting("mini1", "this machine", {"10.0.0.2", 4000, "timed out"}),
      check_failed_connect(Error(Code::kUnavailable, "refused"), "mini1", 12355).back(),
      check_failed_connect(Error(Code::kUnauthenticated, "the secrets differ"), "mini1", 12355).back(),
      check_failed_connect(Error(Code::kMismatch, "protocol 1 and 2"), "mini1", 12355).back(),
  };
  for (const Check& check : troubled) {
    EXPECT_NE(check.result, Result::kPass) << check.name << ": " << check.detail;
    EXPECT_FALSE(check.fix.empty()) << check.name << ": " << check.detail;
    EXPECT_NE(to_text(check).find(check.fix), std::string::npos);
  }
}

TEST(DoctorChecks, a_wrong_secret_shows_that_the_port_is_reachable) {
  const auto checks = check_failed_connect(Error(Code::kUnauthenticated, "the secrets differ"), "mini1", 7000);
  ASSERT_EQ(checks.size(), 2u);
  EXPECT_EQ(checks[0].name, "link port");
  EXPECT_EQ(checks[0].result, Result::kPass);
  EXPECT_EQ(checks[1].name, "secret");
}

TEST(DoctorChecks, percentiles_are_of_the_measured_times) {
  std::vector<double> times;
  for (int i = 1; i <= 100; ++i) times.push_back(i * 0.01);
  EXPECT_NE(check_round_trip(times).detail.find("p50 0.50 ms, p99 0.99 ms over 100"), std::string::npos);
  EXPECT_NE(check_round_trip({0.25}).detail.find("p50 0.25 ms, p99 0.25 ms"), std::string::npos);
}

TEST(DoctorChecks, only_a_failure_makes_the_report_bad) {
  EXPECT_FALSE(has_failure({passed("a", ""), warned("b", "", "do this")}));
  const Json report = to_json({passed("a", "fine"), failed("b", "broken", "mend it")});
  EXPECT_FALSE(report["ok"].get<bool>());
  EXPECT_EQ(report["checks"][1]["result"], "FAIL");
  EXPECT_EQ(report["checks"][1]["fix"], "mend it");
}

}  // namespace
}  // namespace tandem::cli
