#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "tandem/base/error.h"
#include "tandem/comm/comm.h"
#include "tandem/comm/in_process_store.h"

namespace tandem::comm {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

GlooOptions options_of(int rank, int size, std::uint64_t generation) {
  GlooOptions options;
  options.address = "127.0.0.1";
  options.rank = rank;
  options.size = size;
  options.generation = generation;
  options.form_timeout = milliseconds(10'000);
  options.peer_addresses.assign(static_cast<std::size_t>(size), "127.0.0.1");
  return options;
}

/// Runs `work` for each rank on a thread of its own, over Gloo, and rethrows what any of them
/// threw.
template <typename RankWork>
void run_ranks(int size, std::uint64_t generation, const std::shared_ptr<KeyValueStore>& store,
               const RankWork& work) {
  std::vector<std::future<void>> ranks;
  for (int rank = 0; rank < size; ++rank) {
    ranks.push_back(std::async(std::launch::async, [&, rank] {
      const auto comm = make_gloo(store, options_of(rank, size, generation));
      work(*comm);
    }));
  }
  for (auto& rank : ranks) rank.get();
}

TEST(GlooComm, carries_a_tensor_along_the_ranks) {
  for (const int size : {2, 3, 4}) {
    run_ranks(size, 1, std::make_shared<InProcessStore>(), [&](Comm& comm) {
      at::Tensor hidden = at::arange(1000, at::kFloat);
      if (comm.rank() > 0) {
        hidden = at::zeros({1000}, at::kFloat);
        comm.receive(hidden, comm.rank() - 1, 7)->wait();
      }
      hidden.add_(1);
      if (comm.rank() + 1 < size) comm.send(hidden, comm.rank() + 1, 7)->wait();
      EXPECT_TRUE(at::equal(hidden, at::arange(1000, at::kFloat) + (comm.rank() + 1)));
    });
  }
}

TEST(GlooComm, a_receive_waits_for_a_peer_that_computes_longer_than_connecting_may_take) {
  run_ranks(2, 1, std::make_shared<InProcessStore>(), [](Comm& comm) {
    at::Tensor value = at::ones({4}, at::kFloat);
    if (comm.rank() == 0) {
      const auto computed = Clock::now() + milliseconds(1500);
      while (Clock::now() < computed) value.mul_(1.0);
      comm.send(value, 1, 3)->wait();
    } else {
      value.zero_();
      comm.receive(value, 0, 3)->wait();
      EXPECT_EQ(value[0].item<float>(), 1.0f);
    }
  });
}

TEST(GlooComm, forms_generation_after_generation_in_one_process) {
  const auto store = std::make_shared<InProcessStore>();
  for (std::uint64_t generation = 1; generation <= 5; ++generation) {
    const auto start = Clock::now();
    run_ranks(3, generation, store, [&](Comm& comm) {
      at::Tensor sum = at::full({16}, comm.rank() + 1.0, at::kFloat);
      comm.all_reduce(sum, 1);
      EXPECT_TRUE(at::equal(sum, at::full({16}, 6.0, at::kFloat)));
    });
    const auto took = std::chrono::duration_cast<milliseconds>(Clock::now() - start);
    RecordProperty("generation_" + std::to_string(generation) + "_ms",
                   static_cast<int>(took.count()));
  }
}

TEST(GlooComm, matches_interleaved_messages_by_their_tags) {
  run_ranks(2, 1, std::make_shared<InProcessStore>(), [](Comm& comm) {
    constexpr std::uint32_t kMessages = 200;
    std::vector<at::Tensor> tensors;
    std::vector<std::unique_ptr<Work>> works;
    for (std::uint32_t i = 0; i < kMessages; ++i) {
      const std::uint32_t tag =
          comm.rank() == 0 ? i : kMessages - 1 - i;  // received in the opposite order
      tensors.push_back(
          comm.rank() == 0 ? at::full({static_cast<std::int64_t>(tag) + 1}, static_cast<float>(tag))
                           : at::zeros({static_cast<std::int64_t>(tag) + 1}));
      works.push_back(comm.rank() == 0 ? comm.send(tensors.back(), 1, tag)
                                       : comm.receive(tensors.back(), 0, tag));
    }
    for (auto& work : works) work->wait();
    for (const at::Tensor& tensor : tensors) {
      EXPECT_TRUE(at::equal(tensor, at::full_like(tensor, static_cast<float>(tensor.numel() - 1))));
    }
  });
}

TEST(GlooComm, carries_64_MiB) {
  run_ranks(2, 1, std::make_shared<InProcessStore>(), [](Comm& comm) {
    const at::Tensor expected = at::arange(16 << 20, at::kInt);
    if (comm.rank() == 0) return comm.send(expected, 1, 1)->wait();
    at::Tensor received = at::zeros({16 << 20}, at::kInt);
    comm.receive(received, 0, 1)->wait();
    EXPECT_TRUE(at::equal(received, expected));
  });
}

TEST(GlooComm, every_rank_gets_the_same_sum) {
  for (const int size : {2, 3, 4, 5}) {
    std::vector<at::Tensor> sums(static_cast<std::size_t>(size));
    run_ranks(size, 1, std::make_shared<InProcessStore>(), [&](Comm& comm) {
      at::Tensor sum = at::arange(100, at::kFloat) / (comm.rank() + 3.0);
      comm.all_reduce(sum, 9);
      sums[static_cast<std::size_t>(comm.rank())] = sum;
    });
    for (const at::Tensor& sum : sums) EXPECT_TRUE(at::equal(sum, sums[0])) << size;
    EXPECT_NEAR(
        sums[0][3].item<float>(),
        [&] {
          double expected = 0;
          for (int rank = 0; rank < size; ++rank) expected += 3.0 / (rank + 3.0);
          return expected;
        }(),
        1e-5);
  }
}

TEST(GlooComm, carries_a_thousand_messages_back_and_forth) {
  run_ranks(2, 1, std::make_shared<InProcessStore>(), [](Comm& comm) {
    constexpr int kRounds = 500;
    at::Tensor hidden = at::zeros({2048});
    const auto start = Clock::now();
    for (std::uint32_t i = 0; i < kRounds; ++i) {
      if (comm.rank() == 0) {
        comm.send(hidden, 1, 2 * i)->wait();
        comm.receive(hidden, 1, 2 * i + 1)->wait();
      } else {
        comm.receive(hidden, 0, 2 * i)->wait();
        hidden.add_(1);
        comm.send(hidden, 0, 2 * i + 1)->wait();
      }
    }
    const double hop_us =
        std::chrono::duration<double, std::micro>(Clock::now() - start).count() / (2 * kRounds);
    if (comm.rank() == 0) std::printf("hop of 8 KiB: %.0f us\n", hop_us);
    EXPECT_EQ(hidden[2047].item<float>(), kRounds);
  });
}

TEST(GlooComm, abandon_ends_a_wait_for_a_silent_peer) {
  std::promise<void> waits, ended;
  run_ranks(2, 1, std::make_shared<InProcessStore>(), [&](Comm& comm) {
    if (comm.rank() == 1) return ended.get_future().wait();  // silent
    at::Tensor hidden = at::zeros({100});
    const auto work = comm.receive(hidden, 1, 1);
    std::thread other([&] {
      waits.get_future().wait();
      comm.abandon();
    });
    const auto start = Clock::now();
    waits.set_value();
    try {
      work->wait();
      ADD_FAILURE() << "nobody sent anything";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Code::kCancelled) << e.what();
    }
    EXPECT_LT(Clock::now() - start, milliseconds(500));
    EXPECT_THROW(comm.send(hidden, 1, 2), Error);
    other.join();
    ended.set_value();
  });
}

TEST(GlooComm, abandon_ends_a_send_that_is_half_way) {
  std::promise<void> ended;
  run_ranks(2, 1, std::make_shared<InProcessStore>(), [&](Comm& comm) {
    const at::Tensor large = at::zeros({64 << 20}, at::kByte);
    at::Tensor small = at::zeros({1});
    if (comm.rank() == 1) return ended.get_future().wait();  // never posts the receive
    const auto work = comm.send(large, 1, 1);
    comm.abandon();
    EXPECT_THROW(work->wait(), Error);
    ended.set_value();
  });
}

TEST(GlooComm, a_rank_that_never_comes_is_named) {
  GlooOptions options = options_of(0, 2, 1);
  options.form_timeout = milliseconds(200);
  options.peer_names = {"mini1", "mini2"};
  try {
    make_gloo(std::make_shared<InProcessStore>(), options);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Code::kUnavailable);
    EXPECT_NE(std::string(e.what()).find("rank 1 (mini2, 127.0.0.1) has not come"),
              std::string::npos)
        << e.what();
  }
}

TEST(GlooComm, a_peer_at_another_address_than_expected_is_refused) {
  const auto store = std::make_shared<InProcessStore>();
  GlooOptions wrong = options_of(0, 2, 1);
  wrong.peer_addresses = {"127.0.0.1", "127.0.0.2"};
  auto other = std::async(std::launch::async,
                          [&] { EXPECT_THROW(make_gloo(store, options_of(1, 2, 1)), Error); });
  try {
    make_gloo(store, wrong);
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("announces another address"), std::string::npos)
        << e.what();
  }
  other.get();
}

}  // namespace
}  // namespace tandem::comm
