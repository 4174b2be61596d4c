#include "tandem/cluster/generation_store.h"

#include "tandem/base/error.h"

namespace tandem::cluster {
namespace {

// A mesh of 64 ranks needs a few keys a pair.
constexpr std::size_t kMaxKeys = 1 << 14;

}  // namespace

void GenerationStore::begin(std::uint64_t generation) {
  std::lock_guard lock(mutex_);
  if (generation <= generation_) return;
  generation_ = generation;
  values_.clear();
  waiting_.clear();
}

std::vector<std::pair<std::string, Bytes>> GenerationStore::set(link::StoreEntry entry) {
  std::lock_guard lock(mutex_);
  std::vector<std::pair<std::string, Bytes>> answers;
  if (entry.generation != generation_) return answers;
  if (values_.size() >= kMaxKeys) throw Error(Code::kCorrupt, "a stage set more than " + std::to_string(kMaxKeys) + " keys");
  Bytes payload = encode(entry);
  const auto [first, last] = waiting_.equal_range(entry.key);
  for (auto it = first; it != last; ++it) answers.emplace_back(it->second, payload);
  waiting_.erase(first, last);
  values_[entry.key] = std::move(payload);
  return answers;
}

std::optional<Bytes> GenerationStore::get(const link::StoreGet& wanted, const std::string& stage) {
  std::lock_guard lock(mutex_);
  if (wanted.generation != generation_) return std::nullopt;
  if (const auto it = values_.find(wanted.key); it != values_.end()) return it->second;
  if (waiting_.size() >= kMaxKeys) throw Error(Code::kCorrupt, "a stage waits for more than " + std::to_string(kMaxKeys) + " keys");
  waiting_.emplace(wanted.key, stage);
  return std::nullopt;
}

}  // namespace tandem::cluster
