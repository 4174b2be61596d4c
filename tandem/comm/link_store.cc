#include "tandem/comm/link_store.h"

#include <algorithm>

#include "tandem/base/error.h"
#include "tandem/base/strings.h"

namespace tandem::comm {
namespace {

[[noreturn]] void refuse(const char* function) {
  throw Error(Code::kUnsupported,
              std::string("LinkStore::") + function + ": Gloo's rendezvous does not need it");
}

/// Gloo's keys end in "/<rank>".
int rank_of(const std::string& key) {
  const auto rank = parse_int(key.substr(key.rfind('/') + 1));
  if (!rank || *rank < 0) throw Error(Code::kInternal, "LinkStore: not a rank's key: " + key);
  return static_cast<int>(*rank);
}

}  // namespace

LinkStore::LinkStore(std::shared_ptr<KeyValueStore> store, std::string prefix,
                     std::chrono::steady_clock::time_point deadline, BlobCheck check)
    : store_(std::move(store)),
      prefix_(std::move(prefix)),
      deadline_(deadline),
      check_(std::move(check)) {}

c10::intrusive_ptr<c10d::Store> LinkStore::clone() {
  return c10::make_intrusive<LinkStore>(store_, prefix_, deadline_, check_);
}

void LinkStore::set(const std::string& key, const std::vector<std::uint8_t>& value) {
  store_->set(prefix_ + key, value);
}

std::vector<std::uint8_t> LinkStore::get(const std::string& key) {
  wait({key});
  return known_.at(key);
}

void LinkStore::wait(const std::vector<std::string>& keys) { wait(keys, kDefaultTimeout); }

void LinkStore::wait(const std::vector<std::string>& keys,
                     const std::chrono::milliseconds& timeout) {
  for (const std::string& key : keys) {
    if (known_.contains(key)) continue;
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline_ - std::chrono::steady_clock::now());
    auto blob =
        store_->get(prefix_ + key, std::max(std::min(timeout, left), std::chrono::milliseconds(1)));
    check_(rank_of(key), blob);
    known_.emplace(key, std::move(blob));
  }
}

std::int64_t LinkStore::add(const std::string&, std::int64_t) { refuse("add"); }
bool LinkStore::deleteKey(const std::string&) { refuse("deleteKey"); }
bool LinkStore::check(const std::vector<std::string>&) { refuse("check"); }
std::int64_t LinkStore::getNumKeys() { refuse("getNumKeys"); }

}  // namespace tandem::comm
