#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tandem/link/testing.h"

namespace tandem::link {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(Identity, names_this_build_and_machine) {
  const Identity identity = this_identity(Role::kStage);
  EXPECT_EQ(identity.role, Role::kStage);
  EXPECT_EQ(identity.tandem_version, TANDEM_VERSION);
  EXPECT_EQ(identity.torch_version, TANDEM_TORCH_VERSION);
  EXPECT_TRUE(identity.os == "linux" || identity.os == "macos");
  EXPECT_FALSE(identity.arch.empty() || identity.name.empty());
}

TEST(Mismatch, is_empty_for_equal_builds) {
  EXPECT_EQ(mismatch(identity_of(Role::kHead, "mini1"), identity_of(Role::kAgent, "mini2"), true), "");
}

TEST(Mismatch, names_both_versions_of_tandem) {
  Identity a = identity_of(Role::kHead, "mini1"), b = identity_of(Role::kAgent, "mini2");
  a.tandem_version = "0.1.0";
  b.tandem_version = "0.2.0";
  EXPECT_THAT(mismatch(a, b, false), HasSubstr("this machine has tandem 0.1.0, mini2 has 0.2.0"));
}

TEST(Mismatch, of_torch_or_system_matters_between_ranks_only) {
  Identity a = identity_of(Role::kHead, "mini1"), b = identity_of(Role::kAgent, "mini2");
  b.torch_version = "2.12.0";
  EXPECT_EQ(mismatch(a, b, false), "");
  EXPECT_THAT(mismatch(a, b, true), AllOf(HasSubstr(a.torch_version), HasSubstr("mini2 has 2.12.0")));
  b.torch_version = a.torch_version;
  a.os = "linux";
  b.os = "macos";
  EXPECT_EQ(mismatch(a, b, false), "");
  EXPECT_THAT(mismatch(a, b, true), AllOf(HasSubstr("mini1 is a linux machine, mini2 is a Mac"),
                                          HasSubstr("no common transport"), HasSubstr("the head may run anywhere")));
}

}  // namespace
}  // namespace tandem::link
