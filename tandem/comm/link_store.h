// The c10d::Store that Gloo's rendezvous reads: our own KeyValueStore below, every blob checked on
// its way to Gloo.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <torch/csrc/distributed/c10d/Store.hpp>
#include <vector>

#include "tandem/comm/key_value_store.h"

namespace tandem::comm {

/// Keys and values of one forming; get and wait end at its deadline.
class LinkStore : public c10d::Store {
 public:
  /// Called with the rank and its blob before Gloo sees it; throws to refuse it.
  using BlobCheck = std::function<void(int rank, const std::vector<std::uint8_t>& blob)>;
  LinkStore(std::shared_ptr<KeyValueStore> store, std::string prefix,
            std::chrono::steady_clock::time_point deadline, BlobCheck check);

  c10::intrusive_ptr<c10d::Store> clone() override;
  using c10d::Store::set;
  void set(const std::string& key, const std::vector<std::uint8_t>& value) override;
  std::vector<std::uint8_t> get(const std::string& key) override;
  void wait(const std::vector<std::string>& keys) override;
  void wait(const std::vector<std::string>& keys,
            const std::chrono::milliseconds& timeout) override;
  /// Not needed by Gloo's rendezvous: throw Error{kUnsupported}.
  std::int64_t add(const std::string& key, std::int64_t value) override;
  bool deleteKey(const std::string& key) override;
  bool check(const std::vector<std::string>& keys) override;
  std::int64_t getNumKeys() override;

 private:
  const std::shared_ptr<KeyValueStore> store_;
  const std::string prefix_;
  const std::chrono::steady_clock::time_point deadline_;
  const BlobCheck check_;
  std::map<std::string, std::vector<std::uint8_t>> known_;  // waited for, checked
};

}  // namespace tandem::comm
