// Arguments of a call, filter or test, and their binding to parameter names.
#pragma once

#include <initializer_list>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "tandem/text/jinja/value.h"

namespace tandem::text::jinja {

struct Arguments {
  std::vector<Value> positional;
  std::vector<std::pair<std::string_view, Value>> named;  ///< names live as long as the template
};

/// The arguments in the order of their parameters.
class Bound {
 public:
  /// Fails, in the name of `callee`, when there are too many, unknown or doubled arguments.
  Bound(std::string_view callee, const Arguments& arguments,
        std::initializer_list<std::string_view> parameters);

  bool has(std::size_t index) const { return values_[index].has_value(); }
  /// Fails when it was not given.
  const Value& at(std::size_t index) const;
  Value value_or(std::size_t index, const Value& otherwise) const { return values_[index].value_or(otherwise); }
  std::int64_t integer_or(std::size_t index, std::int64_t otherwise) const;
  bool boolean_or(std::size_t index, bool otherwise) const;
  /// The text of a string argument.
  const Text& text(std::size_t index) const;
  /// nullptr when it was not given or is none.
  const Text* text_or_null(std::size_t index) const;

 private:
  std::string_view callee_;
  std::vector<std::string_view> parameters_;
  std::vector<std::optional<Value>> values_;
};

}  // namespace tandem::text::jinja
