// Where a head is, as people write it.
#pragma once

#include <cstdint>
#include <string>

#include "tandem/link/link.h"

namespace tandem::cli {

struct HostPort {
  std::string host;
  std::uint16_t port = link::kDefaultPort;
};
/// "mini1.local", "10.0.0.1:7000", "fe80::1%en0", "[fd00::1]:7000". Throws Error{kInvalidArgument}.
HostPort parse_host_port(const std::string& text);

}  // namespace tandem::cli
