// Strangers at Gloo's port: during forming and after, from the peers' own address.
#include <ATen/ATen.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <span>
#include <thread>

#include "tandem/base/error.h"
#include "tandem/base/unique_fd.h"
#include "tandem/comm/comm.h"
#include "tandem/comm/in_process_store.h"
#include "tandem/comm/mesh_gate.h"

namespace tandem::comm {
namespace {

GlooOptions options_of(int rank, int size, std::uint64_t generation) {
  return {.address = "127.0.0.1",
          .rank = rank,
          .size = size,
          .generation = generation,
          .peer_addresses = {},
          .peer_names = {}};
}

/// Ports that this process listens on.
std::vector<std::uint16_t> listening_ports() {
  std::vector<std::uint16_t> ports;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int fd = std::atoi(entry.path().filename().c_str());
    int is_listening = 0;
    socklen_t size = sizeof(is_listening);
    if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &size) != 0 || !is_listening)
      continue;
    sockaddr_in address{};
    size = sizeof(address);
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0)
      ports.push_back(ntohs(address.sin_port));
  }
  return ports;
}

std::size_t num_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

/// A stranger who connects without waiting and says what would kill Gloo if it read it. Never
/// blocks.
UniqueFd knock(std::uint16_t port, std::span<const std::uint8_t> says) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  pollfd entry{fd.get(), POLLOUT, 0};
  ::poll(&entry, 1, 0);
  (void)::send(fd.get(), says.data(), says.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  return fd;
}

/// Sequence number 0 and a bad preamble: what a peer would say first, then garbage.
std::vector<std::uint8_t> poisonous() {
  std::vector<std::uint8_t> bytes(64, 0xff);
  std::fill_n(bytes.begin(), 8, std::uint8_t{0});
  return bytes;
}

TEST(Strangers, while_a_mesh_forms_and_after_cost_no_descriptor_and_end_nobody) {
  if (!MeshGate::is_supported()) GTEST_SKIP() << "no gate on this system";
  std::atomic<bool> done{false};
  std::atomic<int> num_knocks{0};
  std::thread crowd([&] {
    std::vector<UniqueFd> held;
    while (!done) {
      for (const std::uint16_t port : listening_ports()) {
        held.push_back(knock(port, poisonous()));
        ++num_knocks;
      }
      if (held.size() > 200) held.clear();
      std::this_thread::yield();
    }
  });
  const auto store = std::make_shared<InProcessStore>();
  for (std::uint64_t generation = 1; generation <= 10 || num_knocks < 1000; ++generation) {
    std::vector<std::future<void>> ranks;
    for (int rank = 0; rank < 3; ++rank) {
      ranks.push_back(std::async(std::launch::async, [&, rank] {
        const auto comm = make_gloo(store, options_of(rank, 3, generation));
        for (std::uint32_t tag = 0; tag < 50; ++tag) {
          at::Tensor sum = at::ones({64});
          comm->all_reduce(sum, tag);
          EXPECT_EQ(sum[0].item<float>(), 3);
        }
      }));
    }
    for (auto& rank : ranks) rank.get();
  }
  done = true;
  crowd.join();
  RecordProperty("knocks", num_knocks);
}

TEST(Strangers, after_a_mesh_formed_cannot_connect) {
  if (!MeshGate::is_supported()) GTEST_SKIP() << "no gate on this system";
  const auto store = std::make_shared<InProcessStore>();
  auto other =
      std::async(std::launch::async, [&] { return make_gloo(store, options_of(1, 2, 1)); });
  const auto comm = make_gloo(store, options_of(0, 2, 1));
  const auto peer = other.get();
  const auto ports = listening_ports();
  ASSERT_EQ(ports.size(), 2u);
  const std::size_t before = num_descriptors();
  std::vector<UniqueFd> strangers;
  for (int i = 0; i < 1000; ++i)
    strangers.push_back(knock(ports[static_cast<std::size_t>(i) % 2], poisonous()));
  at::Tensor sent = at::ones({8}), received = at::zeros({8});
  const auto receiving = peer->receive(received, 0, 5);
  comm->send(sent, 1, 5)->wait();
  receiving->wait();
  for (const UniqueFd& stranger : strangers) {
    pollfd entry{stranger.get(), POLLOUT, 0};
    EXPECT_EQ(::poll(&entry, 1, 0), 0) << "a stranger was let in";
  }
  EXPECT_EQ(num_descriptors(), before + strangers.size());
}

/// Its connections close, as the system closes those of a killed process.
TEST(LostPeer, is_an_error_at_once_and_the_next_generation_forms_without_it) {
  const auto store = std::make_shared<InProcessStore>();
  auto other =
      std::async(std::launch::async, [&] { return make_gloo(store, options_of(1, 2, 1)); });
  const auto comm = make_gloo(store, options_of(0, 2, 1));
  auto peer = other.get();
  at::Tensor hidden = at::zeros({100});
  const auto work = comm->receive(hidden, 1, 1);
  const auto start = std::chrono::steady_clock::now();
  peer.reset();
  try {
    work->wait();
    FAIL() << "nobody sent anything";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::kUnavailable);
    EXPECT_NE(std::string(e.what()).find("rank 1 lost"), std::string::npos) << e.what();
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(1));
  EXPECT_THROW(comm->send(hidden, 1, 2)->wait(), Error);
}

}  // namespace
}  // namespace tandem::comm
