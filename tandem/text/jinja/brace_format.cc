// Python's str.format, with the sandbox's look-ups: "{0.name[key]!r:>8}".
#include <algorithm>

#include "tandem/text/jinja/format.h"
#include "tandem/text/jinja/format_spec.h"
#include "tandem/text/jinja/interpreter.h"

namespace tandem::text::jinja {
namespace {

class BraceFormatter {
 public:
  BraceFormatter(Interpreter& interpreter, const Text& format, const Arguments& arguments)
      : interpreter_(interpreter), heap_(interpreter.heap()), format_(format), arguments_(arguments) {}

  Text run() {
    TextBuilder builder;
    append(builder, format_, /*depth=*/0);
    return builder.take();
  }

 private:
  void append(TextBuilder& builder, const Text& format, int depth) {
    if (depth > 1) fail("Max string recursion exceeded");
    const std::string& text = format.bytes();
    std::size_t place = 0;
    while (place < text.size()) {
      const std::size_t brace = std::min(text.find_first_of("{}", place), text.size());
      builder.append(format, place, brace);
      heap_.check_text_size(builder.size());
      if (brace == text.size()) return;
      if (brace + 1 < text.size() && text[brace + 1] == text[brace]) {
        builder.append(format, brace, brace + 1);
        place = brace + 2;
        continue;
      }
      if (text[brace] == '}') fail("Single '}' encountered in format string");
      const std::size_t end = field_end(text, brace + 1);
      append_field(builder, format.slice(brace + 1, end), depth);
      place = end + 1;
    }
  }

  /// The brace that closes the field whose contents begin at `place`.
  static std::size_t field_end(const std::string& text, std::size_t place) {
    int open = 1;
    bool in_key = false;
    for (; place < text.size(); ++place) {
      if (text[place] == '[') in_key = true;
      if (text[place] == ']') in_key = false;
      if (in_key) continue;
      if (text[place] == '{') ++open;
      if (text[place] == '}' && --open == 0) return place;
    }
    fail("expected '}' before end of string");
  }

  void append_field(TextBuilder& builder, const Text& field, int depth) {
    const std::string& text = field.bytes();
    std::size_t bracket_end = text.rfind(']');
    bracket_end = bracket_end == std::string::npos ? 0 : bracket_end;
    std::size_t name_end = std::min(text.find_first_of("!:"), text.size());
    if (const std::size_t open = text.find('['); open < name_end && bracket_end > name_end) {
      name_end = std::min(text.find_first_of("!:", bracket_end), text.size());
    }
    Value value = look_up(std::string_view(text).substr(0, name_end));
    std::size_t place = name_end;
    if (place < text.size() && text[place] == '!') {
      if (place + 1 >= text.size()) fail("end of string while looking for conversion specifier");
      value = convert(value, text[place + 1]);
      place += 2;
      if (place < text.size() && text[place] != ':') fail("expected ':' after conversion specifier");
    }
    TextBuilder spec;
    if (place < text.size()) append(spec, field.slice(place + 1, field.size()), depth + 1);
    append_value(builder, value, spec.bytes());
  }

  Value convert(const Value& value, char conversion) {
    if (conversion == 's') return heap_.string(to_text(heap_, value));
    if (conversion != 'r' && conversion != 'a')
      fail(std::string("Unknown conversion specifier '") + conversion + "'");
    TextBuilder repr;
    append_repr(heap_, repr, value);
    return heap_.string(repr.take());
  }

  Value look_up(std::string_view name) {
    std::size_t place = std::min(name.find_first_of(".["), name.size());
    Value value = argument(name.substr(0, place));
    while (place < name.size()) {
      if (name[place] == '.') {
        const std::size_t end = std::min(name.find_first_of(".[", place + 1), name.size());
        value = interpreter_.get_attribute(value, name.substr(place + 1, end - place - 1));
        place = end;
      } else {
        const std::size_t end = name.find(']', place);
        if (name[place] != '[' || end == std::string_view::npos) fail("malformed field in format string");
        value = item(value, name.substr(place + 1, end - place - 1));
        place = end + 1;
      }
    }
    return value;
  }

  static bool is_number(std::string_view text) {
    return !text.empty() && text.size() < 10 &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  }

  Value item(const Value& value, std::string_view key) {
    if (is_number(key)) return interpreter_.get_item(value, Value::integer(std::stoll(std::string(key))));
    return interpreter_.get_item(value, heap_.string(key));
  }

  Value argument(std::string_view name) {
    if (name.empty() || is_number(name)) {
      const std::size_t index = name.empty() ? next_++ : std::stoul(std::string(name));
      if (index >= arguments_.positional.size()) {
        fail("Replacement index " + std::to_string(index) + " out of range for positional args tuple");
      }
      return arguments_.positional[index];
    }
    for (const auto& [keyword, value] : arguments_.named) {
      if (keyword == name) return value;
    }
    fail("no argument '" + std::string(name) + "' for the format string");
  }

  void append_value(TextBuilder& builder, const Value& value, std::string_view spec) {
    if (spec.empty()) {
      const Text& text = to_text(heap_, value);
      return builder.append(format_.is_markup() ? escape_html(text) : text);
    }
    if (value.is_number() && !(value.is(Kind::kBool) && spec.back() == 's')) {
      const FormatSpec parsed = parse_format_spec(spec);
      return builder.append(format_number(value, parsed), value.origin());
    }
    check_defined(value);
    if (!value.is_string())
      fail("unsupported format string passed to " + std::string(type_name(value)) + ".__format__");
    builder.append(format_text(heap_, value.text(), parse_format_spec(spec)));
  }

  Interpreter& interpreter_;
  Heap& heap_;
  const Text& format_;
  const Arguments& arguments_;
  std::size_t next_ = 0;
};

}  // namespace

Text brace_format(Interpreter& interpreter, const Text& format, const Arguments& arguments) {
  return BraceFormatter(interpreter, format, arguments).run();
}

}  // namespace tandem::text::jinja
