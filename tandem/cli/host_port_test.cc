#include "tandem/cli/host_port.h"

#include <gtest/gtest.h>

#include "tandem/base/error.h"

namespace tandem::cli {
namespace {

TEST(HostPort, reads_names_and_addresses_with_and_without_a_port) {
  const auto expect = [](const std::string& text, const std::string& host, int port) {
    EXPECT_EQ(parse_host_port(text).host, host) << text;
    EXPECT_EQ(parse_host_port(text).port, port) << text;
  };
  expect("mini1.local", "mini1.local", 12355);
  expect("10.0.0.1:7000", "10.0.0.1", 7000);
  expect("fe80::1%en0", "fe80::1%en0", 12355);
  expect("[fd00::1]:7000", "fd00::1", 7000);
  expect("[fd00::1]", "fd00::1", 12355);
}

TEST(HostPort, refuses_what_is_neither) {
  for (const char* text : {"mini1:", "mini1:0", "mini1:65536", "mini1:http", "[fd00::1", "[fd00::1]7000"}) {
    EXPECT_THROW(parse_host_port(text), Error) << text;
  }
}

}  // namespace
}  // namespace tandem::cli
