// Methods of strings, lists, dicts and the interpreter's own objects, by name.
#pragma once

#include <string_view>

#include "tandem/text/jinja/interpreter.h"

namespace tandem::text::jinja {

using Method = Value (*)(Interpreter& interpreter, const Value& self, const Arguments& arguments);

/// nullptr when a value of this type has no such method.
Method find_method(const Value& value, std::string_view name);
Method find_string_method(std::string_view name);
/// list.append and the like: they exist, and the sandbox forbids them.
bool is_forbidden_method(const Value& value, std::string_view name);

}  // namespace tandem::text::jinja
