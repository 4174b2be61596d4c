// A few threads that do what would hold up the network thread: parsing, templates, encoding,
// collecting whole answers.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

namespace tandem::api {

class WorkPool {
  struct Queue;

 public:
  /// Hands in work, and may outlive the pool: then it refuses. Copyable, safe from any thread.
  class Entrance {
   public:
    /// False, and the job is dropped, when `max_jobs` or `max_bytes` are waiting or the pool has
    /// ended.
    bool post(std::function<void()> job, std::size_t bytes = 0) const;

   private:
    friend class WorkPool;
    explicit Entrance(std::shared_ptr<Queue> queue) : queue_(std::move(queue)) {}
    std::shared_ptr<Queue> queue_;
  };

  WorkPool(int num_threads, std::size_t max_jobs, std::size_t max_bytes);
  /// Drops what waits and ends after what runs.
  ~WorkPool();
  WorkPool(const WorkPool&) = delete;
  WorkPool& operator=(const WorkPool&) = delete;

  Entrance entrance() const { return Entrance(queue_); }

 private:
  std::shared_ptr<Queue> queue_;
  std::vector<std::thread> threads_;
};

}  // namespace tandem::api
