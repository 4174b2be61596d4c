// Filters on text: case, trimming, JSON, indentation.
#include <algorithm>

#include "tandem/text/jinja/filter_tables.h"
#include "tandem/text/jinja/format.h"
#include "tandem/text/jinja/interpreter.h"
#include "tandem/text/jinja/string_operations.h"
#include "tandem/text/jinja/unicode.h"

namespace tandem::text::jinja {
namespace {

using In = const Value&;
using Args = const Arguments&;

template <Text (*map)(const Text&)>
Value map_filter(Interpreter& interpreter, In value, Args arguments) {
  const Bound bound("filter", arguments, {});
  if (value.is_string()) interpreter.heap().spend(value.text().size() / 4);
  return interpreter.heap().string(map(to_text(interpreter.heap(), value)));
}

Value string_filter(Interpreter& interpreter, In value, Args arguments) {
  const Bound bound("string", arguments, {});
  return value.is_string() ? value : interpreter.heap().string(to_text(interpreter.heap(), value));
}

/// Words begin at the start and after white space, - ( { [ <; not str.title().
Text title_words(const Text& text) {
  TextBuilder builder;
  bool at_start = true;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::uint32_t first = code_point_at(text.view(), begin);
    std::size_t end = begin + character_size(text.view(), begin);
    const auto breaks = [](std::uint32_t c) {
      return is_space(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
    };
    if (at_start && !breaks(first)) {
      builder.append(to_upper(text.slice(begin, end)));
      const std::size_t rest = end;
      while (end < text.size() && !breaks(code_point_at(text.view(), end)))
        end += character_size(text.view(), end);
      builder.append(to_lower(text.slice(rest, end)));
    } else {
      builder.append(to_lower(text.slice(begin, end)));
    }
    at_start = breaks(first);
    begin = end;
  }
  return builder.take();
}

Value trim_filter(Interpreter& interpreter, In value, Args arguments) {
  const Bound bound("trim", arguments, {"chars"});
  return interpreter.heap().string(
      strip(to_text(interpreter.heap(), value), bound.text_or_null(0), Side::kBoth));
}

Value replace_filter(Interpreter& interpreter, In value, Args arguments) {
  Heap& heap = interpreter.heap();
  const Bound bound("replace", arguments, {"old", "new", "count"});
  const std::int64_t count = bound.has(2) && !bound.at(2).is_none() ? bound.integer_or(2, -1) : -1;
  return heap.string(
      replace(heap, to_text(heap, value), to_text(heap, bound.at(0)), to_text(heap, bound.at(1)), count));
}

Value center_filter(Interpreter& interpreter, In value, Args arguments) {
  Heap& heap = interpreter.heap();
  const Bound bound("center", arguments, {"width"});
  return heap.string(pad(heap, to_text(heap, value), bound.integer_or(0, 80), Text(" "), Side::kBoth));
}

Value format_filter(Interpreter& interpreter, In value, Args arguments) {
  Heap& heap = interpreter.heap();
  if (!arguments.positional.empty() && !arguments.named.empty()) {
    fail("can't handle positional and keyword arguments at the same time");
  }
  Value values = heap.tuple(arguments.positional);
  if (!arguments.named.empty()) {
    values = heap.dict();
    for (const auto& [name, item] : arguments.named) values.dict().set(heap.string(name), item);
  }
  return heap.string(percent_format(heap, to_text(heap, value), values));
}

Value indent_filter(Interpreter& interpreter, In value, Args arguments) {
  Heap& heap = interpreter.heap();
  const Bound bound("indent", arguments, {"width", "first", "blank"});
  check_defined(value);
  if (!value.is_string()) fail("indent: expected a string, not " + std::string(type_name(value)));
  Text indentation(std::string(static_cast<std::size_t>(std::clamp<std::int64_t>(
      bound.has(0) && bound.at(0).is_string() ? 0 : bound.integer_or(0, 4), 0, 10'000)), ' '));
  if (bound.has(0) && bound.at(0).is_string()) indentation = bound.at(0).text();
  TextBuilder with_newline;
  with_newline.append(value.text());
  with_newline.append("\n");
  const std::vector<Value> lines = split_lines(heap, with_newline.take(), /*keep_ends=*/false);
  TextBuilder builder;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) builder.append("\n");
    const bool is_indented =
        i == 0 ? bound.boolean_or(1, false) : bound.boolean_or(2, false) || !lines[i].text().empty();
    if (is_indented) builder.append(indentation);
    builder.append(lines[i].text());
    heap.check_text_size(builder.size());
  }
  return heap.string(builder.take().as_markup(value.text().is_markup()));
}

Value truncate_filter(Interpreter& interpreter, In value, Args arguments) {
  Heap& heap = interpreter.heap();
  const Bound bound("truncate", arguments, {"length", "killwords", "end", "leeway"});
  check_defined(value);
  if (!value.is_string()) fail("truncate: expected a string, not " + std::string(type_name(value)));
  const Text dots("...");
  const Text &text = value.text(), &end = bound.has(2) ? bound.text(2) : dots;
  const std::int64_t length = bound.integer_or(0, 255),
                     leeway = bound.value_or(3, Value::none()).is_none() ? 5 : bound.integer_or(3, 5);
  if (length < static_cast<std::int64_t>(end.length()))
    fail("truncate: the length is less than that of its end");
  if (static_cast<std::int64_t>(text.length()) <= length + leeway) return value;
  const std::int64_t kept = length - static_cast<std::int64_t>(end.length());
  Text cut = text.slice(0, text.offset_of(static_cast<std::size_t>(kept)));
  if (!bound.boolean_or(1, false)) {
    const std::size_t blank = cut.bytes().rfind(' ');
    if (blank != std::string::npos) cut = cut.slice(0, blank);
  }
  TextBuilder builder;
  builder.append(cut);
  builder.append(end);
  return heap.string(builder.take());
}

Value word_count_filter(Interpreter& interpreter, In value, Args arguments) {
  const Bound bound("wordcount", arguments, {});
  const std::string_view text = to_text(interpreter.heap(), value).view();
  std::int64_t count = 0;
  bool in_word = false;
  for (std::size_t byte = 0; byte < text.size(); byte += character_size(text, byte)) {
    const std::uint32_t c = code_point_at(text, byte);
    const bool is_word = is_identifier_part(c) || is_numeric(c);
    count += is_word && !in_word ? 1 : 0;
    in_word = is_word;
  }
  return Value::integer(count);
}

Value safe_filter(Interpreter& interpreter, In value, Args arguments) {
  const Bound bound("safe", arguments, {});
  return interpreter.heap().string(to_text(interpreter.heap(), value).as_markup(true));
}

Value escape_filter(Interpreter& interpreter, In value, Args arguments) {
  const Bound bound("escape", arguments, {});
  return interpreter.heap().string(escape_html(to_text(interpreter.heap(), value)));
}

Value force_escape_filter(Interpreter& interpreter, In value, Args arguments) {
  const Bound bound("forceescape", arguments, {});
  return interpreter.heap().string(escape_html(to_text(interpreter.heap(), value).as_markup(false)));
}

/// transformers replaces Jinja's own: json.dumps, without HTML escapes.
Value tojson_filter(Interpreter& interpreter, In value, Args arguments) {
  Heap& heap = interpreter.heap();
  const Bound bound("tojson", arguments, {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.ensure_ascii = bound.boolean_or(0, false);
  style.sort_keys = bound.boolean_or(3, false);
  if (bound.has(1) && bound.at(1).is_string()) {
    style.indent = bound.at(1).text().bytes();
  } else if (bound.has(1) && !bound.at(1).is_none()) {
    style.indent =
        std::string(static_cast<std::size_t>(std::clamp<std::int64_t>(bound.integer_or(1, 0), 0, 1000)), ' ');
  }
  if (style.indent) style.item_separator = ",";
  if (bound.has(2) && !bound.at(2).is_none()) {
    const std::vector<Value> separators = iterate(heap, bound.at(2));
    if (separators.size() != 2 || !separators[0].is_string() || !separators[1].is_string()) {
      fail("tojson: separators is a pair of strings");
    }
    style.item_separator = separators[0].text().bytes();
    style.key_separator = separators[1].text().bytes();
  }
  return heap.string(to_json(heap, value, style));
}

constexpr FilterEntry kFilters[] = {
    {"upper", map_filter<to_upper>},
    {"lower", map_filter<to_lower>},
    {"capitalize", map_filter<capitalize>},
    {"title", map_filter<title_words>},
    {"string", string_filter},
    {"trim", trim_filter},
    {"replace", replace_filter},
    {"center", center_filter},
    {"format", format_filter},
    {"indent", indent_filter},
    {"truncate", truncate_filter},
    {"wordcount", word_count_filter},
    {"safe", safe_filter},
    {"escape", escape_filter},
    {"e", escape_filter},
    {"forceescape", force_escape_filter},
    {"tojson", tojson_filter},
};

}  // namespace

std::span<const FilterEntry> text_filters() { return kFilters; }

}  // namespace tandem::text::jinja
