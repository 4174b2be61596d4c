// Body sources for tests, with accounts of what was pulled.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "tandem/http/server.h"

namespace tandem::http::testing {

/// Gives what other threads put in; tells when it is destroyed.
class QueueSource : public BodySource {
 public:
  explicit QueueSource(std::function<void()> on_destroyed = nullptr) : on_destroyed_(std::move(on_destroyed)) {}
  ~QueueSource() override {
    if (on_destroyed_) on_destroyed_();
  }
  /// Any thread; the caller then calls the Waker.
  void put(std::string_view text) {
    const std::lock_guard lock(mutex_);
    text_ += text;
  }
  void end(Pull how = Pull::kEnd) {
    const std::lock_guard lock(mutex_);
    end_ = how;
  }
  Pull pull(std::string& out) override {
    const std::lock_guard lock(mutex_);
    ++num_pulls;
    if (!text_.empty()) {
      out += std::exchange(text_, {});
      return Pull::kData;
    }
    return end_;
  }

  std::atomic<int> num_pulls{0};

 private:
  std::mutex mutex_;
  std::string text_;
  Pull end_ = Pull::kPending;
  std::function<void()> on_destroyed_;
};

/// Never ends and always has data.
class EndlessSource : public BodySource {
 public:
  EndlessSource(std::shared_ptr<std::atomic<std::size_t>> pulled_bytes, std::size_t piece_bytes)
      : pulled_bytes_(std::move(pulled_bytes)), piece_(piece_bytes, 'x') {}
  Pull pull(std::string& out) override {
    out += piece_;
    *pulled_bytes_ += piece_.size();
    return Pull::kData;
  }

 private:
  std::shared_ptr<std::atomic<std::size_t>> pulled_bytes_;
  const std::string piece_;
};

}  // namespace tandem::http::testing
