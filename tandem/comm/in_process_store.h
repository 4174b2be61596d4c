// A KeyValueStore for ranks that are threads of one process. Used by tests.
#pragma once

#include <condition_variable>
#include <map>
#include <mutex>

#include "tandem/base/error.h"
#include "tandem/comm/key_value_store.h"

namespace tandem::comm {

class InProcessStore final : public KeyValueStore {
 public:
  void set(const std::string& key, const std::vector<std::uint8_t>& value) override {
    std::lock_guard lock(mutex_);
    values_[key] = value;
    changed_.notify_all();
  }
  std::vector<std::uint8_t> get(const std::string& key,
                                std::chrono::milliseconds timeout) override {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, timeout, [&] { return values_.contains(key); })) {
      throw Error(Code::kDeadlineExceeded, "no value for " + key);
    }
    return values_.at(key);
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::vector<std::uint8_t>> values_;
};

}  // namespace tandem::comm
