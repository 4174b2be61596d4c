// Typed access to the fields of a parsed JSON file, with errors that name file and field. Used by
// what reads tokenizer.json.
#pragma once

#include <cstdint>
#include <string>

#include "tandem/base/error.h"
#include "tandem/base/json.h"

namespace tandem::text {

[[noreturn]] inline void throw_corrupt(const std::string& where, const std::string& why) {
  throw Error(Code::kCorrupt, where + ": " + why);
}

/// The field, or nullptr when it is absent or null. `object` must be an object.
inline const Json* find_field(const Json& object, const char* key, const std::string& where) {
  if (!object.is_object()) throw_corrupt(where, "must be an object");
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

inline const Json& require_field(const Json& object, const char* key, const std::string& where) {
  const Json* field = find_field(object, key, where);
  if (!field) throw_corrupt(where, std::string("has no \"") + key + "\"");
  return *field;
}

inline std::string require_string(const Json& object, const char* key, const std::string& where) {
  const Json& field = require_field(object, key, where);
  if (!field.is_string()) throw_corrupt(where, std::string("\"") + key + "\" must be a string");
  return field.get<std::string>();
}

inline const Json& require_array(const Json& object, const char* key, const std::string& where) {
  const Json& field = require_field(object, key, where);
  if (!field.is_array()) throw_corrupt(where, std::string("\"") + key + "\" must be an array");
  return field;
}

/// `fallback` when the field is absent or null.
inline std::string string_or(const Json& object, const char* key, const std::string& fallback,
                             const std::string& where) {
  return find_field(object, key, where) ? require_string(object, key, where) : fallback;
}

inline bool bool_or(const Json& object, const char* key, bool fallback, const std::string& where) {
  const Json* field = find_field(object, key, where);
  if (!field) return fallback;
  if (!field->is_boolean())
    throw_corrupt(where, std::string("\"") + key + "\" must be true or false");
  return field->get<bool>();
}

/// A whole number from 0 to `max`.
inline std::int64_t require_count(const Json& object, const char* key, std::int64_t max,
                                  const std::string& where) {
  const Json& field = require_field(object, key, where);
  const bool fits = field.is_number_integer() && field.get<std::int64_t>() >= 0 &&
                    field.get<std::int64_t>() <= max;
  if (!fits)
    throw_corrupt(where,
                  std::string("\"") + key + "\" must be a number from 0 to " + std::to_string(max));
  return field.get<std::int64_t>();
}

}  // namespace tandem::text
