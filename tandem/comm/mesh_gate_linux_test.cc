#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "tandem/base/error.h"
#include "tandem/base/unique_fd.h"
#include "tandem/comm/in_process_store.h"
#include "tandem/comm/mesh_forming.h"
#include "tandem/comm/mesh_gate.h"

namespace tandem::comm {
namespace {

using Clock = std::chrono::steady_clock;

sockaddr_storage storage_of(const Endpoint& endpoint) {
  sockaddr_storage storage{};
  auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
  auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
  if (::inet_pton(AF_INET, endpoint.address.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(endpoint.port);
  } else {
    EXPECT_EQ(::inet_pton(AF_INET6, endpoint.address.c_str(), &v6.sin6_addr), 1);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(endpoint.port);
  }
  return storage;
}

socklen_t size_of(const sockaddr_storage& storage) {
  return storage.ss_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
}

/// Opens a listener as Gloo does; through the gate when a Scope lives. Empty when the system lacks
/// the address.
UniqueFd listen_on(const std::string& address) {
  const sockaddr_storage storage = storage_of({address, 0});
  UniqueFd fd(::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd || ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&storage), size_of(storage)) != 0)
    return UniqueFd();
  EXPECT_EQ(::listen(fd.get(), 16), 0);
  return fd;
}

/// True when a connect from any port gets through at once.
bool gets_in(const Endpoint& listener) {
  const sockaddr_storage storage = storage_of(listener);
  const UniqueFd fd(::socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  (void)::connect(fd.get(), reinterpret_cast<const sockaddr*>(&storage), size_of(storage));
  pollfd entry{fd.get(), POLLOUT, 0};
  return ::poll(&entry, 1, 50) == 1;
}

class MeshGateTest : public ::testing::TestWithParam<const char*> {};

TEST_P(MeshGateTest, lets_in_the_admitted_ports_alone) {
  const std::string address = GetParam();
  if (!listen_on(address)) GTEST_SKIP() << "this machine has no " << address;
  MeshGate gate(address, 3), first(address, 3), second(address, 3);
  UniqueFd listener;
  {
    MeshGate::Scope scope(gate);
    listener = listen_on(address);
  }
  const Endpoint here{address, gate.listen_port()};
  EXPECT_FALSE(gets_in(here)) << "before anyone was admitted";
  gate.admit({{address, first.source_port(0)}, {address, second.source_port(0)}});
  EXPECT_FALSE(gets_in(here)) << "a stranger from the same address";
  EXPECT_NO_THROW(second.connect(0, here, Clock::now() + std::chrono::seconds(5)));
  EXPECT_NO_THROW(first.connect(0, here, Clock::now() + std::chrono::seconds(5)));
  EXPECT_THROW(first.connect(1, here, Clock::now() + std::chrono::milliseconds(50)), Error)
      << "a port that was not announced";
  gate.seal();
  EXPECT_FALSE(gets_in(here)) << "after the mesh formed";
}

INSTANTIATE_TEST_SUITE_P(Addresses, MeshGateTest, ::testing::Values("127.0.0.1", "::1"));

TEST(MeshGate, hands_gloo_the_connection_that_stands) {
  MeshGate gate("127.0.0.1", 2), peer("127.0.0.1", 2);
  UniqueFd listener;
  {
    MeshGate::Scope scope(gate);
    listener = listen_on("127.0.0.1");
  }
  const Endpoint here{"127.0.0.1", gate.listen_port()};
  gate.admit({{"127.0.0.1", peer.source_port(0)}});
  const std::uint16_t source_port = peer.source_port(0);
  peer.connect(0, here, Clock::now() + std::chrono::seconds(5));

  const sockaddr_storage storage = storage_of(here);
  const UniqueFd as_gloo(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  MeshGate::Scope scope(peer);
  ASSERT_EQ(::connect(as_gloo.get(), reinterpret_cast<const sockaddr*>(&storage), size_of(storage)),
            0);
  sockaddr_in local{};
  socklen_t size = sizeof(local);
  ::getsockname(as_gloo.get(), reinterpret_cast<sockaddr*>(&local), &size);
  EXPECT_EQ(ntohs(local.sin_port), source_port);
  const UniqueFd again(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(again.get(), reinterpret_cast<const sockaddr*>(&storage), size_of(storage)),
            -1)
      << "there is one only";
}

TEST(MeshGate, an_unreachable_peer_is_named_with_both_ends_and_the_port) {
  InProcessStore store;
  MeshGate gate("127.0.0.1", 2);
  UniqueFd listener;
  {
    MeshGate::Scope scope(gate);
    listener = listen_on("127.0.0.1");
  }
  std::uint16_t closed_port = 0;  // nobody listens there any more
  {
    const UniqueFd gone = listen_on("127.0.0.1");
    sockaddr_in local{};
    socklen_t size = sizeof(local);
    ::getsockname(gone.get(), reinterpret_cast<sockaddr*>(&local), &size);
    closed_port = ntohs(local.sin_port);
  }
  // The peer's address is the smaller one, so this rank connects.
  const std::vector<RankHello> hellos = {{{"127.0.0.2", 1}, {0, 0}, {}},
                                         {{"127.0.0.1", closed_port}, {0, 0}, {}}};
  store.set("mesh/4/gate/1", {});
  MeshForming forming(store,
                      {.rank = 0,
                       .size = 2,
                       .generation = 4,
                       .addresses = {"127.0.0.2", "127.0.0.1"},
                       .names = {"mini1", "mini2"}},
                      Clock::now() + std::chrono::seconds(5));
  try {
    forming.connect_pairs(gate, hellos);
    FAIL();
  } catch (const Error& e) {
    const std::string expected =
        "rank 0 (mini1, 127.0.0.2) cannot reach rank 1 (mini2, 127.0.0.1) at 127.0.0.1:" +
        std::to_string(closed_port) + ": Connection refused";
    EXPECT_EQ(std::string(e.what()).substr(0, expected.size()), expected);
  }
}

TEST(MeshGate, the_failure_of_one_rank_is_the_reason_of_all) {
  InProcessStore store;
  MeshGate gate("127.0.0.1", 2);
  UniqueFd listener;
  {
    MeshGate::Scope scope(gate);
    listener = listen_on("127.0.0.1");
  }
  const auto deadline = Clock::now() + std::chrono::seconds(5);
  const MeshForming::Ranks ranks{
      .rank = 1, .size = 2, .generation = 4, .addresses = {}, .names = {}};
  MeshForming(store, ranks, deadline).report_failure("its cable is out");
  MeshForming forming(store, {.rank = 0, .size = 2, .generation = 4, .addresses = {}, .names = {}},
                      deadline);
  const std::vector<RankHello> hellos = {{{"127.0.0.2", 1}, {0, 0}, {}},
                                         {{"127.0.0.1", 1}, {0, 0}, {}}};
  try {
    forming.connect_pairs(gate, hellos);
    FAIL();
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "its cable is out");
  }
}

}  // namespace
}  // namespace tandem::comm
