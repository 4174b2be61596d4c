#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "tandem/base/error.h"
#include "tandem/comm/comm.h"

namespace tandem::comm {
namespace {

TEST(MemoryComm, sums_over_any_number_of_ranks_with_equal_bits) {
  for (const int size : {1, 2, 3, 4, 5, 6, 7, 8}) {
    auto ranks = size == 1 ? std::vector<std::unique_ptr<Comm>>{} : make_in_memory(size);
    if (size == 1) ranks.push_back(make_single());
    std::vector<at::Tensor> sums(ranks.size());
    std::vector<std::thread> threads;
    for (std::size_t r = 0; r < ranks.size(); ++r) {
      threads.emplace_back([&, r] {
        sums[r] = at::arange(10, at::kFloat) / (static_cast<double>(r) + 3.0);
        ranks[r]->all_reduce(sums[r], 1);
      });
    }
    for (auto& thread : threads) thread.join();
    at::Tensor expected = at::zeros({10});
    for (int r = 0; r < size; ++r) expected += at::arange(10, at::kFloat) / (r + 3.0);
    for (const at::Tensor& sum : sums) {
      EXPECT_TRUE(at::equal(sum, sums[0])) << size << " ranks";
      EXPECT_TRUE(at::allclose(sum, expected)) << size << " ranks";
    }
  }
}

TEST(MemoryComm, matches_by_tag_whichever_end_comes_first) {
  const auto ranks = make_in_memory(2);
  at::Tensor first = at::zeros({1}), second = at::zeros({1});
  const auto receiving_second = ranks[1]->receive(second, 0, 2);
  const auto sending_first = ranks[0]->send(at::full({1}, 10.0), 1, 1);
  const auto sending_second = ranks[0]->send(at::full({1}, 20.0), 1, 2);
  ranks[1]->receive(first, 0, 1)->wait();
  receiving_second->wait();
  sending_first->wait();
  sending_second->wait();
  EXPECT_EQ(first.item<double>(), 10);
  EXPECT_EQ(second.item<double>(), 20);
}

Code code_of(Work& work) {
  try {
    work.wait();
  } catch (const Error& e) {
    return e.code();
  }
  ADD_FAILURE() << "no error";
  return Code::kInternal;
}

TEST(MemoryComm, a_message_of_another_size_is_an_error_at_both_ends) {
  const auto ranks = make_in_memory(2);
  at::Tensor small = at::zeros({2});
  const auto receiving = ranks[1]->receive(small, 0, 1);
  const auto sending = ranks[0]->send(at::zeros({3}), 1, 1);
  EXPECT_EQ(code_of(*receiving), Code::kInternal);
  EXPECT_EQ(code_of(*sending), Code::kInternal);
}

TEST(MemoryComm, a_rank_that_leaves_is_lost_to_the_others) {
  auto ranks = make_in_memory(2);
  at::Tensor tensor = at::zeros({2});
  const auto receiving = ranks[0]->receive(tensor, 1, 1);
  ranks[1].reset();
  EXPECT_EQ(code_of(*receiving), Code::kUnavailable);
}

TEST(MemoryComm, abandon_wakes_whoever_waits) {
  const auto ranks = make_in_memory(2);
  at::Tensor tensor = at::zeros({2});
  const auto receiving = ranks[0]->receive(tensor, 1, 1);
  auto waiting = std::async(std::launch::async, [&] { return code_of(*receiving); });
  ranks[0]->abandon();
  EXPECT_EQ(waiting.get(), Code::kCancelled);
  EXPECT_THROW(ranks[0]->send(tensor, 1, 2), Error);
}

}  // namespace
}  // namespace tandem::comm
