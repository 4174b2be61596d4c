// The way from any thread to the network thread. Shared by the server and every Responder and Waker, so that these stay
// harmless after the server has gone.
#pragma once

#include <functional>
#include <mutex>
#include <vector>

namespace tandem::http {

class Mailbox {
 public:
  using Task = std::function<void()>;

  /// `notify` is called when the first task arrives in an empty box, under the lock: it must only make the network thread
  /// call run_all soon. A step that wakes 500 streams so costs one notification.
  explicit Mailbox(std::function<void()> notify);

  /// Runs `task` on the network thread. False, and the task is dropped on this thread, once closed. Any thread.
  bool post(Task task);
  /// Runs what waits, in order. Network thread.
  void run_all();
  /// From here on `notify` is never called again; tasks that wait are dropped on this thread.
  void close();

 private:
  std::mutex mutex_;
  std::function<void()> notify_;  // empty once closed
  std::vector<Task> tasks_;
};

}  // namespace tandem::http
