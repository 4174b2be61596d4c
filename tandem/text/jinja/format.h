// Values as text: Python's str() and repr(), json.dumps, and the two formatting languages, `%` and str.format.
// Each keeps track of which bytes came from the request.
#pragma once

#include <string>
#include <string_view>

#include "tandem/text/jinja/arguments.h"
#include "tandem/text/jinja/value.h"

namespace tandem::text::jinja {

/// repr(float): the shortest digits that read back as the same number.
std::string float_repr(double value);

/// str(value) as a Text of the heap; strings come back as they are.
const Text& to_text(Heap& heap, const Value& value);
/// Appends repr(value).
void append_repr(Heap& heap, TextBuilder& out, const Value& value, int depth = 0);

class Interpreter;

struct JsonStyle {
  bool ensure_ascii = false;
  bool sort_keys = false;
  std::optional<std::string> indent;  ///< one level's white space; without it everything is on one line
  std::string item_separator = ", ";
  std::string key_separator = ": ";
};
/// json.dumps(value); fails for what JSON cannot express.
Text to_json(Heap& heap, const Value& value, const JsonStyle& style);

/// `format % arguments`.
Text percent_format(Heap& heap, const Text& format, const Value& arguments);
/// format.format(…).
Text brace_format(Interpreter& interpreter, const Text& format, const Arguments& arguments);

/// markupsafe's escape: &, <, >, ' and " as entities. What is Markup already stays.
Text escape_html(const Text& text);

}  // namespace tandem::text::jinja
