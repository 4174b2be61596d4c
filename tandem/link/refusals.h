// What a listener remembers and logs of those it refused: bounded, however many strangers come.
#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "tandem/link/socket.h"

namespace tandem::link {

/// Safe from any thread.
class Refusals {
 public:
  explicit Refusals(std::string listener) : listener_(std::move(listener)) {}

  /// Remembers `text` as the newest and logs it, at most one line a second.
  void add(const std::string& text, TimePoint now);
  /// Newest last, each text once, at most 16.
  std::vector<std::string> recent() const;

  /// Counts a wrong proof and says how long its answer is to be held back: nothing for the first from this address, then
  /// 50 ms, doubling to 400 ms, until the address was quiet for 10 s.
  std::chrono::milliseconds penalty(const std::string& address, TimePoint now);

 private:
  struct Offender {
    std::chrono::milliseconds next{0};
    TimePoint last;
  };

  const std::string listener_;
  mutable std::mutex mutex_;
  std::vector<std::string> recent_;
  std::map<std::string, Offender> offenders_;
  TimePoint last_logged_{};
  std::size_t num_unlogged_ = 0;
};

}  // namespace tandem::link
