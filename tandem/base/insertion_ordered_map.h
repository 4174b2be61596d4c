// An object type for JSON that keeps the order in which keys came and still finds a key in logarithmic time.
// Used by tandem::Json: chat templates print a request's tools in the client's order.
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <list>
#include <map>
#include <memory>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace tandem {

/// What nlohmann::basic_json asks of its ObjectType, with string-like keys. nlohmann's own ordered_map looks
/// keys up one by one, so a request with 100,000 keys in one object would hold a thread for a minute.
template <typename Key, typename T, typename Compare = std::less<>, typename Allocator = std::allocator<void>>
class InsertionOrderedMap {
 public:
  using key_type = Key;
  using mapped_type = T;
  using value_type = std::pair<const Key, T>;
  using key_compare = Compare;
  using allocator_type = Allocator;
  using Items = std::list<value_type>;
  using iterator = typename Items::iterator;
  using const_iterator = typename Items::const_iterator;
  using size_type = std::size_t;
  using difference_type = std::ptrdiff_t;
  using reference = value_type&;
  using const_reference = const value_type&;

  InsertionOrderedMap() = default;
  InsertionOrderedMap(std::initializer_list<value_type> items)
      : InsertionOrderedMap(items.begin(), items.end()) {}
  template <typename Iterator>
  InsertionOrderedMap(Iterator first, Iterator last) {
    insert(first, last);
  }
  InsertionOrderedMap(const InsertionOrderedMap& other) : InsertionOrderedMap(other.begin(), other.end()) {}
  InsertionOrderedMap(InsertionOrderedMap&& other) noexcept { swap(other); }
  InsertionOrderedMap& operator=(InsertionOrderedMap other) noexcept {
    swap(other);
    return *this;
  }
  ~InsertionOrderedMap() = default;

  iterator begin() noexcept { return items_.begin(); }
  iterator end() noexcept { return items_.end(); }
  const_iterator begin() const noexcept { return items_.begin(); }
  const_iterator end() const noexcept { return items_.end(); }
  const_iterator cbegin() const noexcept { return items_.begin(); }
  const_iterator cend() const noexcept { return items_.end(); }
  bool empty() const noexcept { return items_.empty(); }
  size_type size() const noexcept { return items_.size(); }
  size_type max_size() const noexcept { return items_.max_size(); }

  template <typename K, typename... Args>
  std::pair<iterator, bool> emplace(K&& key, Args&&... args) {
    const auto place = index_.lower_bound(std::string_view(key));
    if (place != index_.end() && place->first == std::string_view(key)) return {place->second, false};
    items_.emplace_back(std::piecewise_construct, std::forward_as_tuple(std::forward<K>(key)),
                        std::forward_as_tuple(std::forward<Args>(args)...));
    const iterator item = std::prev(items_.end());
    index_.emplace_hint(place, std::string_view(item->first), item);
    return {item, true};
  }
  std::pair<iterator, bool> insert(value_type&& value) { return emplace(value.first, std::move(value.second)); }
  std::pair<iterator, bool> insert(const value_type& value) { return emplace(value.first, value.second); }
  template <typename Iterator>
  void insert(Iterator first, Iterator last) {
    for (; first != last; ++first) emplace(first->first, first->second);
  }

  template <typename K>
  T& operator[](K&& key) {
    return emplace(std::forward<K>(key)).first->second;
  }
  template <typename K>
  T& at(const K& key) {
    const iterator item = find(key);
    if (item == end()) throw std::out_of_range("key not found");
    return item->second;
  }
  template <typename K>
  const T& at(const K& key) const {
    const const_iterator item = find(key);
    if (item == end()) throw std::out_of_range("key not found");
    return item->second;
  }
  template <typename K>
  iterator find(const K& key) {
    const auto place = index_.find(std::string_view(key));
    return place == index_.end() ? end() : place->second;
  }
  template <typename K>
  const_iterator find(const K& key) const {
    const auto place = index_.find(std::string_view(key));
    return place == index_.end() ? end() : const_iterator(place->second);
  }
  template <typename K>
  size_type count(const K& key) const {
    return index_.count(std::string_view(key));
  }

  iterator erase(iterator item) {
    index_.erase(std::string_view(item->first));
    return items_.erase(item);
  }
  iterator erase(iterator first, iterator last) {
    while (first != last) first = erase(first);
    return last;
  }
  template <typename K>
    requires std::convertible_to<const K&, std::string_view>
  size_type erase(const K& key) {
    const iterator item = find(key);
    if (item == end()) return 0;
    erase(item);
    return 1;
  }
  void clear() noexcept {
    index_.clear();
    items_.clear();
  }
  void swap(InsertionOrderedMap& other) noexcept {
    items_.swap(other.items_);
    index_.swap(other.index_);
  }

  /// Equal when the same keys have equal values, in whatever order.
  friend bool operator==(const InsertionOrderedMap& a, const InsertionOrderedMap& b) {
    if (a.size() != b.size()) return false;
    for (const auto& [key, value] : a) {
      const const_iterator other = b.find(key);
      if (other == b.end() || !(other->second == value)) return false;
    }
    return true;
  }
  friend bool operator<(const InsertionOrderedMap& a, const InsertionOrderedMap& b) {
    return std::lexicographical_compare(a.index_.begin(), a.index_.end(), b.index_.begin(), b.index_.end(),
                                        [](const auto& x, const auto& y) {
                                          if (x.first != y.first) return x.first < y.first;
                                          return x.second->second < y.second->second;
                                        });
  }

 private:
  Items items_;
  std::map<std::string_view, iterator> index_;  // views into items_, whose nodes never move
};

}  // namespace tandem
