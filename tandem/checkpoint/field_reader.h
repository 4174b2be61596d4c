// Reads numbers, flags and texts out of one JSON object of a model folder, each within bounds. Called by
// ModelConfig and the hash memory; `null` counts as absent, as in transformers' config classes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tandem/base/json.h"

namespace tandem::checkpoint {

/// Every getter throws Error{kCorrupt} that names the file, the field, its value and what is allowed.
class FieldReader {
 public:
  /// `object` must outlive the reader. `where` starts every message: "config.json". Throws unless it is an
  /// object.
  FieldReader(const Json& object, std::string where);

  /// True when the key stands there, be it with null.
  bool mentions(std::string_view name) const { return object_->contains(name); }
  /// True when the key is there with a value other than null.
  bool has(std::string_view name) const;

  std::optional<std::int64_t> integer(std::string_view name, std::int64_t min, std::int64_t max) const;
  std::optional<double> number(std::string_view name, double min, double max) const;
  std::optional<bool> flag(std::string_view name) const;
  std::optional<std::string> text(std::string_view name) const;
  std::optional<std::vector<double>> numbers(std::string_view name, std::size_t max_count, double min,
                                             double max) const;
  /// One id or a list of ids; empty when absent.
  std::vector<std::int32_t> ids(std::string_view name, std::size_t max_count) const;
  std::optional<std::vector<std::string>> texts(std::string_view name, std::size_t max_count) const;
  /// A nested object; nullopt when absent or null.
  std::optional<FieldReader> object(std::string_view name) const;

  /// Throws Error{kCorrupt, "config.json: "name" is <value>; must be <wanted>"}.
  [[noreturn]] void refuse(std::string_view name, std::string_view wanted) const;
  const Json& json() const { return *object_; }
  const std::string& where() const { return where_; }

 private:
  const Json* find(std::string_view name) const;
  double checked_number(const Json& value, std::string_view name, double min, double max) const;

  const Json* object_;    ///< not null
  std::string where_;
};

}  // namespace tandem::checkpoint
