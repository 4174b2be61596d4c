#include "tandem/comm/mesh_forming.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "tandem/base/error.h"
#include "tandem/base/hash.h"
#include "tandem/base/strings.h"

namespace tandem::comm {
namespace {

constexpr std::size_t kMaxAddressBytes = 64;
constexpr std::size_t kMaxHostNameBytes = 255;
constexpr std::uint64_t kGlooAddressBytes = sizeof(sockaddr_storage) + sizeof(std::int64_t);

struct IpBytes {
  int family = AF_UNSPEC;
  std::array<std::uint8_t, 16> bytes{};
  bool operator==(const IpBytes&) const = default;
};

IpBytes parse_ip(const std::string& address) {
  IpBytes ip;
  if (::inet_pton(AF_INET, address.c_str(), ip.bytes.data()) == 1) {
    ip.family = AF_INET;
  } else if (::inet_pton(AF_INET6, address.c_str(), ip.bytes.data()) == 1) {
    ip.family = AF_INET6;
  }
  return ip;
}

void require(bool holds, const char* what) {
  if (!holds) throw Error(Code::kCorrupt, std::string("Gloo's rendezvous blob: ") + what);
}

}  // namespace

std::string to_string(const Endpoint& endpoint) {
  const bool is_v6 = endpoint.address.find(':') != std::string::npos;
  return (is_v6 ? "[" + endpoint.address + "]" : endpoint.address) + ":" +
         std::to_string(endpoint.port);
}

Bytes encode(const RankHello& hello) {
  ByteWriter writer;
  writer.put_string(hello.listener.address);
  writer.put(hello.listener.port);
  writer.put_array(hello.source_ports);
  writer.put_raw(hello.nonce);
  return writer.take();
}

RankHello decode_hello(std::span<const std::uint8_t> bytes, int size) {
  ByteReader reader(bytes, "a rank's hello");
  RankHello hello;
  hello.listener.address = reader.get_string(kMaxAddressBytes);
  hello.listener.port = reader.get<std::uint16_t>();
  hello.source_ports = reader.get_array<std::uint16_t>(static_cast<std::size_t>(size));
  const auto nonce = reader.take(hello.nonce.size());
  std::copy(nonce.begin(), nonce.end(), hello.nonce.begin());
  reader.expect_end();
  if (hello.source_ports.size() != static_cast<std::size_t>(size)) {
    throw Error(Code::kCorrupt, "a rank's hello: of another world size");
  }
  return hello;
}

bool connects_to(const Endpoint& self, const Endpoint& peer) {
  const IpBytes a = parse_ip(self.address), b = parse_ip(peer.address);
  const int order = std::memcmp(a.bytes.data(), b.bytes.data(), a.bytes.size());
  // Gloo compares ports as they lie in the sockaddr, without swapping their bytes.
  return order != 0 ? order > 0 : htons(self.port) > htons(peer.port);
}

void check_gloo_blob(std::span<const std::uint8_t> blob, int size, const Endpoint& listener) {
  ByteReader reader(blob, "Gloo's rendezvous blob");
  const auto host_name_bytes = reader.get<std::uint64_t>();
  require(host_name_bytes <= kMaxHostNameBytes, "host name too long");
  reader.take(host_name_bytes);
  require(reader.get<std::uint64_t>() == kGlooAddressBytes, "address of another length");
  sockaddr_storage address{};
  std::memcpy(&address, reader.take(sizeof(address)).data(), sizeof(address));
  reader.take(sizeof(std::int64_t));
  require(reader.left() == static_cast<std::size_t>(size) * sizeof(std::int64_t),
          "of another world size");

  IpBytes ip;
  ip.family = address.ss_family;
  std::uint16_t port = 0;
  if (ip.family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    std::memcpy(ip.bytes.data(), &v6.sin6_addr, sizeof(v6.sin6_addr));
    port = ntohs(v6.sin6_port);
  } else {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    std::memcpy(ip.bytes.data(), &v4.sin_addr, sizeof(v4.sin_addr));
    port = ntohs(v4.sin_port);
  }
  require(ip == parse_ip(listener.address) && port == listener.port,
          "names another address than its rank");
}

MeshForming::MeshForming(KeyValueStore& store, Ranks ranks, TimePoint deadline)
    : store_(store), ranks_(std::move(ranks)), deadline_(deadline) {}

std::chrono::milliseconds MeshForming::time_left() const {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      deadline_ - std::chrono::steady_clock::now());
  return std::max(left, std::chrono::milliseconds(1));
}

std::string MeshForming::key(std::string_view what, int rank) const {
  return "mesh/" + std::to_string(ranks_.generation) + "/" + std::string(what) + "/" +
         std::to_string(rank);
}

std::string MeshForming::describe(int rank) const {
  const auto at = static_cast<std::size_t>(rank);
  std::vector<std::string> known;
  if (at < ranks_.names.size() && !ranks_.names[at].empty()) known.push_back(ranks_.names[at]);
  if (at < ranks_.addresses.size() && !ranks_.addresses[at].empty())
    known.push_back(ranks_.addresses[at]);
  return "rank " + std::to_string(rank) + (known.empty() ? "" : " (" + join(known, ", ") + ")");
}

Bytes MeshForming::wait_for(std::string_view what, int rank) {
  try {
    return store_.get(key(what, rank), time_left());
  } catch (const Error& e) {
    if (e.code() != Code::kDeadlineExceeded) throw;
    throw Error(Code::kUnavailable, describe(rank) + " has not come to generation " +
                                        std::to_string(ranks_.generation) + " in time (" +
                                        std::string(what) + ")");
  }
}

std::vector<RankHello> MeshForming::exchange(const RankHello& own) {
  store_.set(key("hello", ranks_.rank), encode(own));
  std::vector<RankHello> hellos;
  for (int rank = 0; rank < ranks_.size; ++rank) {
    hellos.push_back(decode_hello(wait_for("hello", rank), ranks_.size));
    const auto at = static_cast<std::size_t>(rank);
    const IpBytes announced = parse_ip(hellos.back().listener.address);
    if (at < ranks_.addresses.size() && announced != parse_ip(ranks_.addresses[at])) {
      throw Error(Code::kUnavailable, describe(rank) + " announces another address, " +
                                          hellos.back().listener.address + "; give it --address");
    }
    if (announced.family != parse_ip(own.listener.address).family) {
      throw Error(Code::kUnavailable,
                  describe(rank) + " listens on " + hellos.back().listener.address +
                      " and this rank on " + own.listener.address +
                      ": Gloo needs IPv4 on both or IPv6 on both; give --address");
    }
  }
  return hellos;
}

void MeshForming::connect_pairs(MeshGate& gate, const std::vector<RankHello>& hellos) {
  const auto self = static_cast<std::size_t>(ranks_.rank);
  std::vector<Endpoint> sources;
  for (std::size_t peer = 0; peer < hellos.size(); ++peer) {
    if (peer == self || !connects_to(hellos[peer].listener, hellos[self].listener)) continue;
    sources.push_back({hellos[peer].listener.address, hellos[peer].source_ports[self]});
  }
  gate.admit(sources);
  store_.set(key("gate", ranks_.rank), {});
  for (int peer = 0; peer < ranks_.size; ++peer) {
    if (peer != ranks_.rank &&
        connects_to(hellos[self].listener, hellos[static_cast<std::size_t>(peer)].listener)) {
      connect_to(gate, peer, hellos);
    }
  }
  store_.set(key("connected", ranks_.rank), {});
  for (int rank = 0; rank < ranks_.size; ++rank) wait_for_step("connected", rank);
}

void MeshForming::wait_for_step(std::string_view step, int rank) {
  const Bytes failure = wait_for(step, rank);
  if (!failure.empty())
    throw Error(Code::kUnavailable, std::string(failure.begin(), failure.end()));
}

void MeshForming::connect_to(MeshGate& gate, int peer, const std::vector<RankHello>& hellos) {
  wait_for_step("gate", peer);
  const Endpoint& listener = hellos[static_cast<std::size_t>(peer)].listener;
  try {
    gate.connect(peer, listener, deadline_);
  } catch (const Error& e) {
    throw Error(e.code(),
                describe(ranks_.rank) + " cannot reach " + describe(peer) + " at " +
                    to_string(listener) + ": " + e.what() +
                    "; Gloo uses a port of its own between the machines, so open their firewalls "
                    "to each other");
  }
}

void MeshForming::report_failure(const std::string& reason) noexcept {
  try {
    const Bytes value(reason.begin(), reason.end());
    store_.set(key("gate", ranks_.rank), value);
    store_.set(key("connected", ranks_.rank), value);
  } catch (const std::exception&) {
    // The head is gone too; the others find out from it.
  }
}

Digest MeshForming::proof(const std::vector<RankHello>& hellos, int from, int to) const {
  ByteWriter text;
  text.put_string("mesh");
  text.put(ranks_.generation);
  text.put(static_cast<std::int32_t>(from));
  text.put(static_cast<std::int32_t>(to));
  return hmac_sha256(hellos.at(static_cast<std::size_t>(to)).nonce, text.take());
}

}  // namespace tandem::comm
