// Spreads independent pieces of hashing over a few threads. Called by tensor_hashes and SliceWriter.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace tandem::checkpoint {

/// More threads than these only contend: four with SHA instructions hash 6 GB/s, above what disks and pages
/// give.
inline constexpr std::size_t kMaxHashThreads = 4;

/// Calls worker(n) for every n below `count`, in any order, on up to four threads; `make_worker()` is called
/// once a thread, on it, so that a worker can own a buffer. Rethrows the first exception after all threads
/// have ended.
template <typename MakeWorker>
void in_parallel(std::size_t count, const MakeWorker& make_worker) {
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::exception_ptr failure;
  const auto work = [&] {
    try {
      auto worker = make_worker();
      for (std::size_t n = next++; n < count; n = next++) worker(n);
    } catch (...) {
      next = count;
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
    }
  };
  const std::size_t cores = std::max(1u, std::thread::hardware_concurrency());
  const std::size_t num_threads = std::min({count, cores, kMaxHashThreads});
  std::vector<std::thread> threads;
  try {
    for (std::size_t i = 1; i < num_threads; ++i) threads.emplace_back(work);
  } catch (const std::system_error&) {
    // No more threads to be had: those that run do the work.
  }
  work();
  for (std::thread& thread : threads) thread.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace tandem::checkpoint
