#include "tandem/http/mailbox.h"

#include <exception>
#include <utility>

#include "tandem/base/log.h"

namespace tandem::http {

Mailbox::Mailbox(std::function<void()> notify) : notify_(std::move(notify)) {}

bool Mailbox::post(Task task) {
  std::lock_guard lock(mutex_);
  if (!notify_) return false;
  tasks_.push_back(std::move(task));
  if (tasks_.size() == 1) notify_();
  return true;
}

void Mailbox::run_all() {
  std::vector<Task> tasks;
  {
    std::lock_guard lock(mutex_);
    tasks.swap(tasks_);
  }
  for (Task& task : tasks) {
    try {
      task();
    } catch (const std::exception& e) {
      log::error("http: {}", e.what());
    }
    task = nullptr;
  }
}

void Mailbox::close() {
  // Destroyed outside the lock: a task may hold the last Responder, whose destructor posts.
  std::vector<Task> dropped;
  std::function<void()> notify;
  {
    std::lock_guard lock(mutex_);
    dropped.swap(tasks_);
    notify.swap(notify_);
  }
}

}  // namespace tandem::http
