#include "tandem/cluster/machine.h"

#include <algorithm>
#include <atomic>
#include <numeric>
#include <thread>
#include <vector>

#include "tandem/base/clock.h"
#include "tandem/base/error.h"
#include "tandem/base/strings.h"

namespace tandem::cluster {

std::uint64_t memory_budget(const SystemFacts& facts, const std::string& option) {
  if (!option.empty() && option.back() == '%') {
    const auto percent = parse_double(option.substr(0, option.size() - 1));
    if (!percent || *percent <= 0 || *percent > 100) {
      throw Error(Code::kInvalidArgument, "--memory " + option + ": a percentage is above 0 and at most 100");
    }
    return static_cast<std::uint64_t>(static_cast<double>(facts.memory_total_bytes) * *percent / 100);
  }
  if (!option.empty()) return parse_size(option, "--memory");
  std::uint64_t budget = facts.memory_available_bytes / 10 * 9;
  if (facts.memory_limit_bytes > 0) budget = std::min(budget, facts.memory_limit_bytes / 10 * 9);
  return budget;
}

double measure_read_bandwidth(int num_threads, std::chrono::milliseconds duration) {
  constexpr std::size_t kWords = (64u << 20) / sizeof(std::uint64_t);
  std::atomic<std::uint64_t> total_bytes = 0, sink = 0;
  std::atomic<int> ready = 0;
  const auto read_until = [&] {
    const std::vector<std::uint64_t> memory(kWords, 1);
    ++ready;
    while (ready < num_threads) std::this_thread::yield();
    const auto start = std::chrono::steady_clock::now();
    std::uint64_t sum = 0, bytes = 0;
    while (std::chrono::steady_clock::now() - start < duration) {
      // A quarter at a time, so that the clock is read often enough on a slow machine.
      for (std::size_t part = 0; part < 4; ++part) {
        const auto* from = memory.data() + part * (kWords / 4);
        sum = std::accumulate(from, from + kWords / 4, sum);
      }
      bytes += kWords * sizeof(std::uint64_t);
    }
    total_bytes += bytes;
    sink += sum;
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < num_threads; ++i) threads.emplace_back(read_until);
  for (auto& thread : threads) thread.join();
  return static_cast<double>(total_bytes) / to_seconds(duration) / 1e9;
}

}  // namespace tandem::cluster
