#include "tandem/checkpoint/field_reader.h"

#include <limits>
#include <utility>

#include "tandem/base/error.h"
#include "tandem/base/strings.h"

namespace tandem::checkpoint {
namespace {

/// A value as it stands in the file, short enough for a message.
std::string shown(const Json& value) {
  std::string text = value.is_structured() ? (value.is_array() ? "a list" : "an object") : dump_json(value);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

}  // namespace

FieldReader::FieldReader(const Json& object, std::string where) : object_(&object), where_(std::move(where)) {
  if (!object.is_object())
    throw Error(Code::kCorrupt, where_ + ": must be a JSON object, is " + shown(object));
}

const Json* FieldReader::find(std::string_view name) const {
  const auto place = object_->find(name);
  return place == object_->end() || place->is_null() ? nullptr : &*place;
}

bool FieldReader::has(std::string_view name) const { return find(name) != nullptr; }

void FieldReader::refuse(std::string_view name, std::string_view wanted) const {
  const auto place = object_->find(name);
  const std::string value = place == object_->end() ? "missing" : shown(*place);
  throw Error(Code::kCorrupt,
              where_ + ": \"" + std::string(name) + "\" is " + value + "; must be " + std::string(wanted));
}

std::optional<std::int64_t> FieldReader::integer(std::string_view name, std::int64_t min,
                                                 std::int64_t max) const {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  // A number above 2^63 is unsigned in nlohmann; every bound here is far below.
  const bool fits =
      value->is_number_integer() &&
      (!value->is_number_unsigned() ||
       value->get<std::uint64_t>() <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()));
  if (!fits || value->get<std::int64_t>() < min || value->get<std::int64_t>() > max) {
    refuse(name, "a whole number from " + std::to_string(min) + " to " + std::to_string(max));
  }
  return value->get<std::int64_t>();
}

double FieldReader::checked_number(const Json& value, std::string_view name, double min, double max) const {
  if (!value.is_number() || !(value.get<double>() >= min && value.get<double>() <= max)) {
    refuse(name, format("a number from %g to %g", min, max));
  }
  return value.get<double>();
}

std::optional<double> FieldReader::number(std::string_view name, double min, double max) const {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  return checked_number(*value, name, min, max);
}

std::optional<bool> FieldReader::flag(std::string_view name) const {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) refuse(name, "true or false");
  return value->get<bool>();
}

std::optional<std::string> FieldReader::text(std::string_view name) const {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) refuse(name, "a string");
  return value->get<std::string>();
}

std::optional<std::vector<double>> FieldReader::numbers(std::string_view name, std::size_t max_count,
                                                        double min, double max) const {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_array() || value->size() > max_count) {
    refuse(name, "a list of at most " + std::to_string(max_count) + " numbers");
  }
  std::vector<double> numbers;
  for (const Json& item : *value) numbers.push_back(checked_number(item, name, min, max));
  return numbers;
}

std::vector<std::int32_t> FieldReader::ids(std::string_view name, std::size_t max_count) const {
  const Json* value = find(name);
  if (value == nullptr) return {};
  const auto id_of = [&](const Json& item) {
    if (!item.is_number_integer() || item.get<double>() < 0 ||
        item.get<double>() > std::numeric_limits<std::int32_t>::max()) {
      refuse(name, "a token id or a list of token ids, each from 0 to 2147483647");
    }
    return item.get<std::int32_t>();
  };
  if (!value->is_array()) return {id_of(*value)};
  if (value->size() > max_count)
    refuse(name, "a list of at most " + std::to_string(max_count) + " token ids");
  std::vector<std::int32_t> ids;
  for (const Json& item : *value) ids.push_back(id_of(item));
  return ids;
}

std::optional<std::vector<std::string>> FieldReader::texts(std::string_view name,
                                                           std::size_t max_count) const {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_array() || value->size() > max_count) {
    refuse(name, "a list of at most " + std::to_string(max_count) + " strings");
  }
  std::vector<std::string> texts;
  for (const Json& item : *value) {
    if (!item.is_string()) refuse(name, "a list of strings");
    texts.push_back(item.get<std::string>());
  }
  return texts;
}

std::optional<FieldReader> FieldReader::object(std::string_view name) const {
  const Json* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_object()) refuse(name, "an object");
  return FieldReader(*value, where_ + ": " + std::string(name));
}

}  // namespace tandem::checkpoint
