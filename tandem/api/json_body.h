// Request bodies: JSON from anyone, bounded while it is read, then read field by field so that
// every complaint names its field ("messages[3].content[0].text").
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "tandem/base/json.h"

namespace tandem::api {

/// What one body may make us allocate, whatever its bytes say. A body at all three limits takes
/// about 200 MiB while it is read.
struct BodyLimits {
  int max_depth = 64;
  std::size_t max_values = 4'000'000;  ///< numbers, strings, …: a prompt of ids is one value an id
  std::size_t max_containers = 256'000;  ///< arrays and objects
  std::size_t max_keys = 256'000;
};

/// An object, or ApiError 400 that says what is wrong, where, and in which field: syntax, duplicate
/// keys, invalid UTF-8, lone surrogates, numbers beyond double, depth, size.
Json parse_body(std::string_view text, const BodyLimits& limits = {});

struct NumberRange {
  double min = 0, max = 0;
  bool open_min = false;  ///< `min` itself is outside
};

/// One value of a request and its name. Null counts as absent. A view: the Json outlives it.
class Field {
 public:
  /// The body itself.
  explicit Field(const Json& root) : Field(&root, "") {}

  const std::string& path() const { return path_; }
  /// Present and not null.
  explicit operator bool() const { return value_ != nullptr; }
  const Json& json() const { return *value_; }
  bool is_string() const { return value_ && value_->is_string(); }
  bool is_array() const { return value_ && value_->is_array(); }
  bool is_object() const { return value_ && value_->is_object(); }

  /// A member of an object, or an absent field. ApiError when this is neither absent nor an object.
  Field operator[](std::string_view key) const;
  /// An element of an array.
  Field at(std::size_t index) const;
  /// Elements of an array; ApiError when it is none or longer than `max`.
  std::size_t array_size(std::size_t max) const;

  bool as_bool() const;
  /// ApiError unless it is a finite number in range.
  double as_number(const NumberRange& range) const;
  /// A whole number (3.0 counts as one) in [min, max].
  std::int64_t as_integer(std::int64_t min, std::int64_t max) const;
  const std::string& as_string(std::size_t max_bytes) const;

  bool bool_or(bool absent) const { return *this ? as_bool() : absent; }
  std::int64_t integer_or(std::int64_t absent, std::int64_t min, std::int64_t max) const {
    return *this ? as_integer(min, max) : absent;
  }

  /// Throws ApiError 400: "<path>: <sentence>" with param <path>.
  [[noreturn]] void fail(const std::string& sentence) const;

 private:
  Field(const Json* value, std::string path)
      : value_(value && !value->is_null() ? value : nullptr), path_(std::move(path)) {}

  const Json* value_;
  std::string path_;
};

/// "parent.key", or parent["odd key"] when it is no plain word.
std::string member_path(const std::string& parent, std::string_view key);
std::string element_path(const std::string& parent, std::size_t index);

}  // namespace tandem::api
