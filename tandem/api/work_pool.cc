// Threads behind a bounded queue; see work_pool.h.
#include "tandem/api/work_pool.h"

#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>

#include "tandem/base/log.h"

namespace tandem::api {
namespace {

struct Job {
  std::function<void()> run;
  std::size_t bytes = 0;
};

}  // namespace

struct WorkPool::Queue {
  Queue(std::size_t max_jobs, std::size_t max_bytes) : max_jobs(max_jobs), max_bytes(max_bytes) {}

  bool push(Job job) {
    std::lock_guard lock(mutex);
    if (is_closed || jobs.size() >= max_jobs || job.bytes > max_bytes - waiting_bytes) return false;
    waiting_bytes += job.bytes;
    jobs.push_back(std::move(job));
    not_empty.notify_one();
    return true;
  }

  void work() {
    std::unique_lock lock(mutex);
    for (;;) {
      not_empty.wait(lock, [&] { return is_closed || !jobs.empty(); });
      if (is_closed) return;
      Job job = std::move(jobs.front());
      jobs.pop_front();
      waiting_bytes -= job.bytes;
      lock.unlock();
      try {
        job.run();
      } catch (const std::exception& e) {
        log::error("a request's work failed: {}", e.what());
      }
      job.run = nullptr;  // what it holds is freed before the lock is taken
      lock.lock();
    }
  }

  std::deque<Job> close() {
    std::lock_guard lock(mutex);
    is_closed = true;
    not_empty.notify_all();
    return std::exchange(jobs, {});
  }

  const std::size_t max_jobs, max_bytes;
  std::mutex mutex;
  std::condition_variable not_empty;
  std::deque<Job> jobs;
  std::size_t waiting_bytes = 0;
  bool is_closed = false;
};

bool WorkPool::Entrance::post(std::function<void()> job, std::size_t bytes) const {
  return queue_->push({std::move(job), bytes});
}

WorkPool::WorkPool(int num_threads, std::size_t max_jobs, std::size_t max_bytes)
    : queue_(std::make_shared<Queue>(max_jobs, max_bytes)) {
  for (int i = 0; i < num_threads; ++i) threads_.emplace_back([queue = queue_] { queue->work(); });
}

WorkPool::~WorkPool() {
  const auto dropped = queue_->close();
  for (std::thread& thread : threads_) thread.join();
}

}  // namespace tandem::api
