// The addresses and interfaces of this machine: what --address means, and which interface a hop takes.
#pragma once

#include <string>
#include <vector>

namespace tandem::link {

/// The local address of the route to `host`, found without sending a packet (a connected UDP socket's name). For a unix
/// socket 127.0.0.1. Throws Error{kUnavailable} when the name does not resolve or no route leads there.
std::string route_address(const std::string& host);
/// The interface that has this address ("en5", "eth0"); "" when none has.
std::string interface_of(const std::string& address);
/// An IP of this machine as it is, or the first usable address of an interface; throws Error{kInvalidArgument} with the list
/// of interfaces.
std::string resolve_address_option(const std::string& ip_or_interface);
struct InterfaceAddress { std::string interface, address; };
/// Every usable address of this machine, loopback last, IPv4 before IPv6, link-local IPv6 left out.
std::vector<InterfaceAddress> local_addresses();
/// 127.0.0.0/8, ::1, "localhost" or a unix socket: reachable from this machine only.
bool is_loopback(const std::string& address);

}  // namespace tandem::link
