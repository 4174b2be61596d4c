#include "tandem/stage/head_store.h"

#include "tandem/base/error.h"

namespace tandem::stage {

void HeadStore::set(const std::string& key, const std::vector<std::uint8_t>& value) {
  send_(link::Message::kStoreSet, link::encode(link::StoreEntry{generation_, key, value}));
}

std::vector<std::uint8_t> HeadStore::get(const std::string& key,
                                         std::chrono::milliseconds timeout) {
  send_(link::Message::kStoreGet, link::encode_message(link::StoreGet{generation_, key}));
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, timeout, [&] { return is_cancelled_ || values_.contains(key); });
  if (is_cancelled_)
    throw Error(Code::kCancelled, "generation " + std::to_string(generation_) + " has ended");
  const auto it = values_.find(key);
  if (it == values_.end()) throw Error(Code::kDeadlineExceeded, "nobody has set " + key);
  return it->second;
}

void HeadStore::deliver(link::StoreEntry entry) {
  if (entry.generation != generation_) return;
  std::lock_guard lock(mutex_);
  values_[entry.key] = std::move(entry.value);
  changed_.notify_all();
}

void HeadStore::cancel() {
  std::lock_guard lock(mutex_);
  is_cancelled_ = true;
  changed_.notify_all();
}

}  // namespace tandem::stage
