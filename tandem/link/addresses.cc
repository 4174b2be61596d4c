#include "tandem/link/addresses.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "tandem/base/error.h"
#include "tandem/base/strings.h"
#include "tandem/link/link.h"
#include "tandem/link/socket.h"

namespace tandem::link {
namespace {

SocketAddress copy_of(const sockaddr* address) {
  SocketAddress copy;
  copy.size = address->sa_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  std::memcpy(&copy.storage, address, copy.size);
  return copy;
}

bool is_link_local(const SocketAddress& address) {
  return address.family() == AF_INET6 &&
         IN6_IS_ADDR_LINKLOCAL(&reinterpret_cast<const sockaddr_in6*>(&address.storage)->sin6_addr);
}

/// Where in the list of usable addresses this one belongs.
int rank_of(const InterfaceAddress& entry) {
  const bool is_v6 = entry.address.find(':') != entry.address.npos;
  return (is_loopback(entry.address) ? 2 : 0) + (is_v6 ? 1 : 0);
}

/// Every IP address of every interface that is up.
std::vector<std::pair<std::string, SocketAddress>> interface_addresses() {
  ifaddrs* found = nullptr;
  if (::getifaddrs(&found) != 0) throw Error(Code::kIo, "cannot list the interfaces: " + errno_text(errno));
  const std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> list(found, ::freeifaddrs);
  std::vector<std::pair<std::string, SocketAddress>> addresses;
  for (const ifaddrs* entry = found; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr || (entry->ifa_flags & IFF_UP) == 0) continue;
    const int family = entry->ifa_addr->sa_family;
    if (family == AF_INET || family == AF_INET6) addresses.emplace_back(entry->ifa_name, copy_of(entry->ifa_addr));
  }
  return addresses;
}

std::string list_of(const std::vector<InterfaceAddress>& addresses) {
  std::vector<std::string> parts;
  for (const InterfaceAddress& entry : addresses) parts.push_back(entry.interface + " (" + entry.address + ")");
  return join(parts, ", ");
}

}  // namespace

bool is_loopback(const std::string& address) {
  if (address == "localhost" || address == "unix" || address.starts_with(kUnixPrefix)) return true;
  in_addr v4;
  if (::inet_pton(AF_INET, address.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6;
  return ::inet_pton(AF_INET6, address.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

std::vector<InterfaceAddress> local_addresses() {
  std::vector<InterfaceAddress> usable;
  for (const auto& [interface, address] : interface_addresses()) {
    if (!is_link_local(address)) usable.push_back({interface, to_text(address)});
  }
  std::stable_sort(usable.begin(), usable.end(),
                   [](const auto& a, const auto& b) { return rank_of(a) < rank_of(b); });
  return usable;
}

std::string interface_of(const std::string& address) {
  for (const auto& [interface, candidate] : interface_addresses()) {
    if (to_text(candidate) == address) return interface;
  }
  return "";
}

std::string resolve_address_option(const std::string& ip_or_interface) {
  const std::vector<InterfaceAddress> usable = local_addresses();
  for (const InterfaceAddress& entry : usable) {
    if (entry.interface == ip_or_interface) return entry.address;
  }
  if (!interface_of(ip_or_interface).empty()) return ip_or_interface;
  // All of 127.0.0.0/8 is this machine, though only 127.0.0.1 is listed.
  in_addr v4;
  const bool is_v4 = ::inet_pton(AF_INET, ip_or_interface.c_str(), &v4) == 1;
  if (is_v4 && is_loopback(ip_or_interface)) return ip_or_interface;
  throw Error(Code::kInvalidArgument, "--address " + ip_or_interface +
                                          ": this machine has no such address or interface; it has " + list_of(usable));
}

std::string route_address(const std::string& host) {
  if (host.starts_with(kUnixPrefix)) return "127.0.0.1";
  std::string cause;
  for (const SocketAddress& address : resolve(host, kDefaultPort)) {
    const UniqueFd socket = open_socket(address.family(), SOCK_DGRAM);
    if (::connect(socket.get(), address.get(), address.size) == 0) return to_text(local_address_of(socket.get()));
    cause = errno_text(errno);
  }
  const std::string hint = no_route_hint();
  throw Error(Code::kUnavailable, "no route to " + host + ": " + cause + (hint.empty() ? "" : "; " + hint));
}

}  // namespace tandem::link
