// Jinja's filters, tests and global functions by name. Looked up by the parser, called by the interpreter.
#pragma once

#include <string_view>

#include "tandem/text/jinja/arguments.h"

namespace tandem::text::jinja {

class Interpreter;

struct FilterEntry {
  const char* name;
  Value (*apply)(Interpreter& interpreter, const Value& value, const Arguments& arguments);
};

struct TestEntry {
  const char* name;
  bool (*holds)(Interpreter& interpreter, const Value& value, const Arguments& arguments);
};

/// nullptr for an unknown name.
const FilterEntry* find_filter(std::string_view name);
const TestEntry* find_test(std::string_view name);

}  // namespace tandem::text::jinja
