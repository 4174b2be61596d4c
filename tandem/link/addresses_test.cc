#include "tandem/link/addresses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tandem/link/testing.h"

namespace tandem::link {
namespace {

using ::testing::HasSubstr;

TEST(Addresses, loopback_is_known_in_every_form) {
  for (const char* address : {"127.0.0.1", "127.1.2.3", "::1", "localhost", "unix:/run/x", "unix"}) {
    EXPECT_TRUE(is_loopback(address)) << address;
  }
  for (const char* address : {"192.168.1.7", "0.0.0.0", "::", "128.0.0.1", "mini2", ""}) {
    EXPECT_FALSE(is_loopback(address)) << address;
  }
}

TEST(Addresses, list_ends_with_loopback_and_has_no_link_local_ipv6) {
  const std::vector<InterfaceAddress> addresses = local_addresses();
  ASSERT_FALSE(addresses.empty());
  EXPECT_TRUE(is_loopback(addresses.back().address));
  bool in_loopback = false;
  for (const InterfaceAddress& entry : addresses) {
    EXPECT_FALSE(in_loopback && !is_loopback(entry.address)) << entry.address << " after loopback";
    in_loopback = is_loopback(entry.address);
    EXPECT_FALSE(entry.address.starts_with("fe80"));
    EXPECT_EQ(interface_of(entry.address), entry.interface);
  }
}

TEST(Addresses, route_to_loopback_is_loopback) {
  EXPECT_EQ(route_address("127.0.0.1"), "127.0.0.1");
  EXPECT_EQ(route_address("unix:/run/x"), "127.0.0.1");
  EXPECT_EQ(error_of([] { route_address("no-such-machine.invalid"); }).code(), Code::kUnavailable);
}

TEST(Addresses, option_takes_an_ip_or_an_interface) {
  EXPECT_EQ(resolve_address_option("127.0.0.1"), "127.0.0.1");
  EXPECT_EQ(resolve_address_option("127.0.0.2"), "127.0.0.2");
  EXPECT_EQ(resolve_address_option(interface_of("127.0.0.1")), "127.0.0.1");
}

TEST(Addresses, option_that_this_machine_lacks_is_refused_with_what_it_has) {
  for (const char* option : {"192.0.2.77", "wlan99", ""}) {
    const Error error = error_of([&] { resolve_address_option(option); });
    EXPECT_EQ(error.code(), Code::kInvalidArgument);
    EXPECT_THAT(error.what(), HasSubstr("(127.0.0.1)"));
  }
}

TEST(Addresses, of_an_unknown_interface_are_none) { EXPECT_EQ(interface_of("192.0.2.77"), ""); }

}  // namespace
}  // namespace tandem::link
