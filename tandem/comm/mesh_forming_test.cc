#include "tandem/comm/mesh_forming.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "tandem/base/error.h"
#include "tandem/comm/in_process_store.h"

namespace tandem::comm {
namespace {

/// A rank's blob as Gloo writes it.
Bytes blob_of(const std::string& address, std::uint16_t port, int size) {
  sockaddr_storage storage{};
  auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
  v4.sin_family = AF_INET;
  v4.sin_port = htons(port);
  EXPECT_EQ(::inet_pton(AF_INET, address.c_str(), &v4.sin_addr), 1);
  ByteWriter writer;
  writer.put<std::uint64_t>(5);
  writer.put_raw(Bytes{'m', 'i', 'n', 'i', '1'});
  writer.put<std::uint64_t>(sizeof(storage) + 8);
  writer.put_raw({reinterpret_cast<const std::uint8_t*>(&storage), sizeof(storage)});
  writer.put<std::int64_t>(-1);
  for (std::int64_t rank = 0; rank < size; ++rank) writer.put(rank);
  return writer.take();
}

std::string refusal(const Bytes& blob) {
  try {
    check_gloo_blob(blob, 3, {"10.0.0.1", 4000});
    return "";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::kCorrupt);
    return e.what();
  }
}

TEST(GlooBlob, of_the_announced_listener_is_let_through) {
  EXPECT_EQ(refusal(blob_of("10.0.0.1", 4000, 3)), "");
}

TEST(GlooBlob, that_would_lead_gloo_astray_is_refused) {
  Bytes long_name = blob_of("10.0.0.1", 4000, 3), long_address = long_name, short_blob = long_name,
        family = long_name;
  long_name[1] = 0x01;         // 261 bytes of host name
  long_address[8 + 5] = 0x90;  // of the address
  short_blob.resize(40);
  family[8 + 5 + 8] = AF_INET6;
  EXPECT_NE(refusal(long_name).find("host name"), std::string::npos);
  EXPECT_NE(refusal(long_address).find("another length"), std::string::npos);
  EXPECT_NE(refusal(short_blob).find("ends too early"), std::string::npos);
  EXPECT_NE(refusal(family).find("another address"), std::string::npos);
  EXPECT_NE(refusal(blob_of("10.0.0.2", 4000, 3)).find("another address"), std::string::npos);
  EXPECT_NE(refusal(blob_of("10.0.0.1", 4001, 3)).find("another address"), std::string::npos);
  EXPECT_NE(refusal(blob_of("10.0.0.1", 4000, 4)).find("world size"), std::string::npos);
  EXPECT_FALSE(refusal({}).empty());
}

TEST(RankHello, survives_the_wire_and_nothing_else_does) {
  const RankHello hello{{"fd00::1", 4000}, {1, 2, 3}, {9}};
  const Bytes bytes = encode(hello);
  EXPECT_EQ(decode_hello(bytes, 3), hello);
  EXPECT_THROW(decode_hello(bytes, 2), Error);
  EXPECT_THROW(decode_hello(bytes, 4), Error);
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    EXPECT_THROW(decode_hello(std::span(bytes).first(cut), 3), Error) << cut;
  }
}

TEST(ConnectsTo, exactly_one_end_of_every_pair_connects) {
  const std::vector<Endpoint> ends = {{"10.0.0.1", 4000}, {"10.0.0.1", 256}, {"10.0.0.1", 1},
                                      {"10.0.0.2", 1},    {"9.0.0.1", 1},    {"10.0.0.1", 65535}};
  for (const Endpoint& a : ends) {
    EXPECT_FALSE(connects_to(a, a));
    for (const Endpoint& b : ends) {
      if (!(a == b)) {
        EXPECT_NE(connects_to(a, b), connects_to(b, a)) << to_string(a) << " " << to_string(b);
      }
    }
  }
  // Ports compare as they lie in memory: 1 is 0x0100 there, 256 is 0x0001.
  EXPECT_TRUE(connects_to({"10.0.0.1", 1}, {"10.0.0.1", 256}));
}

MeshForming forming_of(KeyValueStore& store, int rank, std::vector<std::string> addresses) {
  return MeshForming(store,
                     {.rank = rank,
                      .size = 2,
                      .generation = 4,
                      .addresses = std::move(addresses),
                      .names = {"mini1", "mini2"}},
                     std::chrono::steady_clock::now() + std::chrono::milliseconds(200));
}

TEST(MeshForming, a_rank_that_does_not_come_is_named) {
  InProcessStore store;
  try {
    forming_of(store, 0, {"10.0.0.1", "10.0.0.2"}).exchange({{"10.0.0.1", 5}, {0, 0}, {}});
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::kUnavailable);
    EXPECT_NE(std::string(e.what()).find("rank 1 (mini2, 10.0.0.2) has not come to generation 4"),
              std::string::npos)
        << e.what();
  }
}

TEST(MeshForming, ranks_of_two_address_families_are_refused) {
  InProcessStore store;
  store.set("mesh/4/hello/1", encode(RankHello{{"fd00::1", 5}, {0, 0}, {}}));
  try {
    forming_of(store, 0, {}).exchange({{"10.0.0.1", 5}, {0, 0}, {}});
    FAIL();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("IPv4 on both or IPv6 on both"), std::string::npos)
        << e.what();
  }
}

TEST(MeshForming, proofs_differ_by_direction_pair_and_generation) {
  InProcessStore store;
  const std::vector<RankHello> hellos = {{{}, {}, {1}}, {{}, {}, {2}}};
  const MeshForming forming = forming_of(store, 0, {});
  EXPECT_NE(forming.proof(hellos, 0, 1), forming.proof(hellos, 1, 0));
  const MeshForming next(store,
                         {.rank = 0, .size = 2, .generation = 5, .addresses = {}, .names = {}}, {});
  EXPECT_NE(forming.proof(hellos, 0, 1), next.proof(hellos, 0, 1));
}

}  // namespace
}  // namespace tandem::comm
