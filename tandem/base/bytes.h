// Little-endian, bounds-checked reading and writing of wire and file formats. Every length on the wire is checked against
// the bytes that are left and against the caller's own bound before anything is allocated.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "tandem/base/error.h"

namespace tandem {

static_assert(std::endian::native == std::endian::little, "tandem's formats are little-endian");

using Bytes = std::vector<std::uint8_t>;

/// Appends values to a growing buffer.
class ByteWriter {
 public:
  template <typename T>
    requires std::is_arithmetic_v<T> || std::is_enum_v<T>
  void put(T value) {
    const auto* from = reinterpret_cast<const std::uint8_t*>(&value);
    bytes_.insert(bytes_.end(), from, from + sizeof(T));
  }
  /// Raw bytes, without a length.
  void put_raw(std::span<const std::uint8_t> bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
  /// u32 length, then the bytes.
  void put_string(std::string_view text) {
    put(static_cast<std::uint32_t>(text.size()));
    put_raw({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
  }
  /// u32 count, then the values.
  template <typename T>
    requires std::is_arithmetic_v<T>
  void put_array(std::span<const T> values) {
    put(static_cast<std::uint32_t>(values.size()));
    put_raw({reinterpret_cast<const std::uint8_t*>(values.data()), values.size_bytes()});
  }
  template <typename T>
  void put_array(const std::vector<T>& values) {
    put_array(std::span<const T>(values));
  }
  Bytes take() { return std::move(bytes_); }
  std::size_t size() const { return bytes_.size(); }

 private:
  Bytes bytes_;
};

/// Reads what ByteWriter wrote from bytes that nobody vouches for. Throws Error{kCorrupt, "<what>: …"}.
class ByteReader {
 public:
  ByteReader(std::span<const std::uint8_t> bytes, std::string_view what) : left_(bytes), what_(what) {}

  template <typename T>
    requires std::is_arithmetic_v<T>
  T get() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }
  /// An enum whose largest enumerator is `last`.
  template <typename T>
    requires std::is_enum_v<T>
  T get_enum(T last) {
    const auto value = get<std::underlying_type_t<T>>();
    if (value > static_cast<std::underlying_type_t<T>>(last)) fail("enum value out of range");
    return static_cast<T>(value);
  }
  bool get_bool() { return get<std::uint8_t>() != 0; }
  std::string get_string(std::size_t max_bytes) {
    const auto bytes = take(get_count(max_bytes, 1));
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  template <typename T>
    requires std::is_arithmetic_v<T>
  std::vector<T> get_array(std::size_t max_count) {
    const std::size_t count = get_count(max_count, sizeof(T));
    const auto bytes = take(count * sizeof(T));
    std::vector<T> values(count);
    if (count > 0) std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }
  /// A u32 count of items that take at least `min_item_bytes` each, so that a forged count cannot make us allocate more
  /// than the frame could hold.
  std::size_t get_count(std::size_t max_count, std::size_t min_item_bytes) {
    const std::size_t count = get<std::uint32_t>();
    if (count > max_count) fail("count " + std::to_string(count) + " over its limit " + std::to_string(max_count));
    if (count * min_item_bytes > left_.size()) fail("count exceeds the bytes that are left");
    return count;
  }
  std::span<const std::uint8_t> take(std::size_t count) {
    if (count > left_.size()) fail("ends too early");
    const auto bytes = left_.first(count);
    left_ = left_.subspan(count);
    return bytes;
  }
  std::size_t left() const { return left_.size(); }
  /// Throws unless everything was read.
  void expect_end() const {
    if (!left_.empty()) fail(std::to_string(left_.size()) + " bytes too many");
  }

 private:
  [[noreturn]] void fail(const std::string& why) const { throw Error(Code::kCorrupt, what_ + ": " + why); }

  std::span<const std::uint8_t> left_;
  std::string what_;
};

}  // namespace tandem
