#include "tandem/cli/host_port.h"

#include "tandem/base/error.h"
#include "tandem/base/strings.h"

namespace tandem::cli {

HostPort parse_host_port(const std::string& text) {
  const auto port_of = [&](const std::string& digits) {
    const auto port = parse_int(digits);
    if (!port || *port < 1 || *port > 65535) throw Error(Code::kInvalidArgument, text + ": \"" + digits + "\" is not a port");
    return static_cast<std::uint16_t>(*port);
  };
  if (!text.empty() && text.front() == '[') {
    const std::size_t end = text.find(']');
    if (end == std::string::npos) throw Error(Code::kInvalidArgument, text + ": the bracket is not closed");
    HostPort result{text.substr(1, end - 1)};
    const std::string rest = text.substr(end + 1);
    if (!rest.empty() && rest.front() != ':') throw Error(Code::kInvalidArgument, text + ": after the bracket comes :PORT or nothing");
    if (!rest.empty()) result.port = port_of(rest.substr(1));
    return result;
  }
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos || text.find(':', colon + 1) != std::string::npos) return {text};  // a bare IPv6 address
  return {text.substr(0, colon), port_of(text.substr(colon + 1))};
}

}  // namespace tandem::cli
