#include "tandem/text/jinja/arguments.h"

#include <algorithm>
#include <string>

namespace tandem::text::jinja {

Bound::Bound(std::string_view callee, const Arguments& arguments,
             std::initializer_list<std::string_view> parameters)
    : callee_(callee), parameters_(parameters), values_(parameters.size()) {
  const std::string name(callee);
  if (arguments.positional.size() > parameters.size()) {
    fail(name + "() takes at most " + std::to_string(parameters.size()) + " arguments (" +
         std::to_string(arguments.positional.size()) + " given)");
  }
  std::copy(arguments.positional.begin(), arguments.positional.end(), values_.begin());
  for (const auto& [keyword, value] : arguments.named) {
    const auto parameter = std::find(parameters.begin(), parameters.end(), keyword);
    if (parameter == parameters.end()) {
      fail(name + "() got an unexpected keyword argument '" + std::string(keyword) + "'");
    }
    auto& place = values_[static_cast<std::size_t>(parameter - parameters.begin())];
    if (place) fail(name + "() got multiple values for argument '" + std::string(keyword) + "'");
    place = value;
  }
}

const Value& Bound::at(std::size_t index) const {
  if (!values_[index]) {
    fail(std::string(callee_) + "() missing required argument '" + std::string(parameters_[index]) + "'");
  }
  return *values_[index];
}

std::int64_t Bound::integer_or(std::size_t index, std::int64_t otherwise) const {
  if (!values_[index]) return otherwise;
  check_defined(*values_[index]);
  if (!values_[index]->is_integral()) {
    fail(std::string(callee_) + "(): '" + std::string(type_name(*values_[index])) +
         "' object cannot be interpreted as an integer");
  }
  return values_[index]->as_int();
}

bool Bound::boolean_or(std::size_t index, bool otherwise) const {
  return values_[index] ? is_true(*values_[index]) : otherwise;
}

const Text& Bound::text(std::size_t index) const {
  const Value& value = at(index);
  check_defined(value);
  if (!value.is_string()) {
    fail(std::string(callee_) + "() argument must be str, not " + std::string(type_name(value)));
  }
  return value.text();
}

const Text* Bound::text_or_null(std::size_t index) const {
  if (!values_[index] || values_[index]->is_none()) return nullptr;
  return &text(index);
}

}  // namespace tandem::text::jinja
