// Methods of Python's str.
#include <algorithm>
#include <unordered_map>

#include "tandem/text/jinja/format.h"
#include "tandem/text/jinja/methods.h"
#include "tandem/text/jinja/operators.h"
#include "tandem/text/jinja/string_operations.h"
#include "tandem/text/jinja/unicode.h"

namespace tandem::text::jinja {
namespace {

using Self = const Value&;
using Args = const Arguments&;

Value text_value(Interpreter& interpreter, Text text) { return interpreter.heap().string(std::move(text)); }

/// What Markup puts in is escaped, and gives Markup.
Text like(const Value& self, const Text& argument) {
  return self.text().is_markup() ? escape_html(argument) : argument;
}
Value like(Interpreter& interpreter, const Value& self, Text result) {
  return text_value(interpreter, result.is_markup() == self.text().is_markup()
                                     ? std::move(result)
                                     : result.as_markup(self.text().is_markup()));
}

template <Side side>
Value strip_method(Interpreter& interpreter, Self self, Args arguments) {
  const Bound bound("strip", arguments, {"chars"});
  return text_value(interpreter, strip(self.text(), bound.text_or_null(0), side));
}

template <Text (*map)(const Text&)>
Value map_method(Interpreter& interpreter, Self self, Args arguments) {
  const Bound bound("method", arguments, {});
  interpreter.heap().spend(self.text().size() / 4);
  return text_value(interpreter, map(self.text()));
}

Value replace_method(Interpreter& interpreter, Self self, Args arguments) {
  const Bound bound("replace", arguments, {"old", "new", "count"});
  const Text to = like(self, bound.text(1));
  return like(interpreter, self,
              replace(interpreter.heap(), self.text(), bound.text(0), to, bound.integer_or(2, -1)));
}

template <std::vector<Value> (*split_text)(Heap&, const Text&, const Text*, std::int64_t)>
Value split_method(Interpreter& interpreter, Self self, Args arguments) {
  const Bound bound("split", arguments, {"sep", "maxsplit"});
  return interpreter.heap().list(
      split_text(interpreter.heap(), self.text(), bound.text_or_null(0), bound.integer_or(1, -1)));
}

Value split_lines_method(Interpreter& interpreter, Self self, Args arguments) {
  const Bound bound("splitlines", arguments, {"keepends"});
  return interpreter.heap().list(split_lines(interpreter.heap(), self.text(), bound.boolean_or(0, false)));
}

Value join_method(Interpreter& interpreter, Self self, Args arguments) {
  const Bound bound("join", arguments, {"iterable"});
  std::vector<Value> items = iterate(interpreter.heap(), bound.at(0));
  for (std::size_t i = 0; i < items.size(); ++i) {
    check_defined(items[i]);
    if (!items[i].is_string()) {
      fail("sequence item " + std::to_string(i) + ": expected str instance, " +
           std::string(type_name(items[i])) + " found");
    }
    if (self.text().is_markup()) items[i] = interpreter.heap().string(escape_html(items[i].text()));
  }
  return like(interpreter, self, join(interpreter.heap(), self.text(), items));
}

/// The bytes that start and end arguments (parameters 1 and 2) select.
std::pair<std::size_t, std::size_t> searched_bytes(const Text& text, const Bound& bound) {
  if (!bound.has(1) && !bound.has(2)) return {0, text.size()};
  const auto index = [&](std::size_t place) -> std::optional<std::int64_t> {
    if (!bound.has(place) || bound.at(place).is_none()) return std::nullopt;
    return bound.integer_or(place, 0);
  };
  const SliceRange range =
      slice_range(static_cast<std::int64_t>(text.length()), index(1), index(2), std::nullopt);
  return {text.offset_of(static_cast<std::size_t>(range.start)),
          text.offset_of(static_cast<std::size_t>(range.start + range.count))};
}

template <bool at_end>
Value affix_method(Interpreter& interpreter, Self self, Args arguments) {
  const Bound bound(at_end ? "endswith" : "startswith", arguments, {"affix", "start", "end"});
  const auto [begin, end] = searched_bytes(self.text(), bound);
  const std::string_view text = self.text().view().substr(begin, end - begin);
  const auto matches = [&](const Value& affix) {
    check_defined(affix);
    if (!affix.is_string())
      fail("startswith and endswith take a str or a tuple of str, not " + std::string(type_name(affix)));
    return at_end ? text.ends_with(affix.text().view()) : text.starts_with(affix.text().view());
  };
  if (!bound.at(0).is(Kind::kTuple)) return Value::boolean(matches(bound.at(0)));
  const std::vector<Value> affixes = iterate(interpreter.heap(), bound.at(0));
  return Value::boolean(std::any_of(affixes.begin(), affixes.end(), matches));
}

template <bool from_right, bool must_exist>
Value find_method_of_string(Interpreter& interpreter, Self self, Args arguments) {
  const Bound bound("find", arguments, {"sub", "start", "end"});
  const Text& text = self.text();
  const auto [begin, end] = searched_bytes(text, bound);
  const std::string_view searched = text.view().substr(begin, end - begin);
  const std::size_t found = find_bytes(interpreter.heap(), searched, bound.text(0).view(), from_right);
  if (found == std::string_view::npos) {
    if (must_exist) fail("substring not found");
    return Value::integer(-1);
  }
  const std::string_view before = text.view().substr(0, begin + found);
  return Value::integer(static_cast<std::int64_t>(text.is_ascii() ? before.size() : count_characters(before)));
}

Value count_method(Interpreter& interpreter, Self self, Args arguments) {
  const Bound bound("count", arguments, {"sub", "start", "end"});
  const auto [begin, end] = searched_bytes(self.text(), bound);
  const std::string_view searched = self.text().view().substr(begin, end - begin), sub = bound.text(0).view();
  if (sub.empty()) return Value::integer(static_cast<std::int64_t>(count_characters(searched)) + 1);
  std::int64_t count = 0;
  spend_search(interpreter.heap(), searched, sub);
  for (std::size_t at = searched.find(sub); at != std::string_view::npos;
       at = searched.find(sub, at + sub.size()))
    ++count;
  return Value::integer(count);
}

Value format_method(Interpreter& interpreter, Self self, Args arguments) {
  return like(interpreter, self, brace_format(interpreter, self.text(), arguments));
}

template <Side side>
Value pad_method(Interpreter& interpreter, Self self, Args arguments) {
  const Bound bound("justify", arguments, {"width", "fillchar"});
  bound.at(0);
  const Text blank(" ");
  const Text& fill = bound.has(1) ? bound.text(1) : blank;
  return text_value(interpreter, pad(interpreter.heap(), self.text(), bound.integer_or(0, 0), fill, side));
}

Value zfill_method(Interpreter& interpreter, Self self, Args arguments) {
  const Bound bound("zfill", arguments, {"width"});
  bound.at(0);
  const Text& text = self.text();
  const bool has_sign = !text.empty() && (text.bytes()[0] == '-' || text.bytes()[0] == '+');
  const std::int64_t width = bound.integer_or(0, 0) - (has_sign ? 1 : 0);
  TextBuilder builder;
  if (has_sign) builder.append(text, 0, 1);
  builder.append(
      pad(interpreter.heap(), text.slice(has_sign ? 1 : 0, text.size()), width, Text("0"), Side::kRight));
  return like(interpreter, self, builder.take());
}

template <bool from_right>
Value partition_method(Interpreter& interpreter, Self self, Args arguments) {
  Heap& heap = interpreter.heap();
  const Bound bound("partition", arguments, {"sep"});
  const Text &text = self.text(), &separator = bound.text(0);
  if (separator.empty()) fail("empty separator");
  const std::size_t found = find_bytes(heap, text.view(), separator.view(), from_right);
  const auto piece = [&](std::size_t begin, std::size_t end) { return heap.string(text.slice(begin, end)); };
  if (found == std::string::npos) {
    const Value empty = heap.string("");
    return from_right ? heap.tuple({empty, empty, self}) : heap.tuple({self, empty, empty});
  }
  const std::size_t after = found + separator.size();
  return heap.tuple({piece(0, found), piece(found, after), piece(after, text.size())});
}

template <bool at_end>
Value remove_affix_method(Interpreter& interpreter, Self self, Args arguments) {
  const Bound bound("removeprefix", arguments, {"affix"});
  const Text &text = self.text(), &affix = bound.text(0);
  if (at_end && text.view().ends_with(affix.view()))
    return text_value(interpreter, text.slice(0, text.size() - affix.size()));
  if (!at_end && text.view().starts_with(affix.view()))
    return text_value(interpreter, text.slice(affix.size(), text.size()));
  return self;
}

Value expand_tabs_method(Interpreter& interpreter, Self self, Args arguments) {
  const Bound bound("expandtabs", arguments, {"tabsize"});
  const std::int64_t size = bound.integer_or(0, 8);
  const Text& text = self.text();
  TextBuilder builder;
  std::int64_t column = 0;
  for (std::size_t byte = 0; byte < text.size();) {
    const std::size_t next = byte + character_size(text.view(), byte);
    const char c = text.bytes()[byte];
    if (c == '\t') {
      const std::int64_t blanks = size > 0 ? size - column % size : 0;
      interpreter.heap().check_text_size(builder.size() + static_cast<std::size_t>(blanks));
      builder.append(std::string(static_cast<std::size_t>(blanks), ' '), text.origin_at(byte));
      column += blanks;
    } else {
      builder.append(text, byte, next);
      column = c == '\n' || c == '\r' ? 0 : column + 1;
    }
    byte = next;
  }
  return like(interpreter, self, builder.take());
}

/// isalpha and the like: not empty, and true of every character.
template <bool (*holds)(std::uint32_t)>
Value all_method(Interpreter&, Self self, Args arguments) {
  const Bound bound("method", arguments, {});
  const std::string_view text = self.text().view();
  for (std::size_t byte = 0; byte < text.size(); byte += character_size(text, byte)) {
    if (!holds(code_point_at(text, byte))) return Value::boolean(false);
  }
  return Value::boolean(!text.empty());
}

bool is_alphanumeric(std::uint32_t c) {
  return is_alphabetic(c) || is_decimal(c) || is_digit(c) || is_numeric(c);
}

/// islower and isupper: some character is of that case, and none of another.
template <bool (*holds)(std::uint32_t)>
Value case_method(Interpreter&, Self self, Args arguments) {
  const Bound bound("method", arguments, {});
  const std::string_view text = self.text().view();
  bool has_cased = false;
  for (std::size_t byte = 0; byte < text.size(); byte += character_size(text, byte)) {
    const std::uint32_t c = code_point_at(text, byte);
    if (!is_cased(c)) continue;
    if (!holds(c)) return Value::boolean(false);
    has_cased = true;
  }
  return Value::boolean(has_cased);
}

Value is_title_method(Interpreter&, Self self, Args arguments) {
  const Bound bound("istitle", arguments, {});
  const std::string_view text = self.text().view();
  bool in_word = false, has_cased = false;
  for (std::size_t byte = 0; byte < text.size(); byte += character_size(text, byte)) {
    const std::uint32_t c = code_point_at(text, byte);
    const bool opens = is_upper(c) || is_title(c);
    if ((opens && in_word) || (is_lower(c) && !in_word)) return Value::boolean(false);
    in_word = is_cased(c);
    has_cased |= in_word;
  }
  return Value::boolean(has_cased);
}

Value is_ascii_method(Interpreter&, Self self, Args arguments) {
  const Bound bound("isascii", arguments, {});
  return Value::boolean(self.text().is_ascii());
}

Value is_printable_method(Interpreter& interpreter, Self self, Args arguments) {
  return self.text().empty() ? Value::boolean(true) : all_method<is_printable>(interpreter, self, arguments);
}

}  // namespace

Method find_string_method(std::string_view name) {
  static const std::unordered_map<std::string_view, Method> kMethods = {
      {"strip", strip_method<Side::kBoth>},
      {"lstrip", strip_method<Side::kLeft>},
      {"rstrip", strip_method<Side::kRight>},
      {"upper", map_method<to_upper>},
      {"lower", map_method<to_lower>},
      {"casefold", map_method<to_lower>},
      {"title", map_method<title>},
      {"capitalize", map_method<capitalize>},
      {"swapcase", map_method<swap_case>},
      {"replace", replace_method},
      {"split", split_method<split>},
      {"rsplit", split_method<split_from_right>},
      {"splitlines", split_lines_method},
      {"join", join_method},
      {"startswith", affix_method<false>},
      {"endswith", affix_method<true>},
      {"find", find_method_of_string<false, false>},
      {"rfind", find_method_of_string<true, false>},
      {"index", find_method_of_string<false, true>},
      {"rindex", find_method_of_string<true, true>},
      {"count", count_method},
      {"format", format_method},
      {"ljust", pad_method<Side::kLeft>},
      {"rjust", pad_method<Side::kRight>},
      {"center", pad_method<Side::kBoth>},
      {"zfill", zfill_method},
      {"partition", partition_method<false>},
      {"rpartition", partition_method<true>},
      {"removeprefix", remove_affix_method<false>},
      {"removesuffix", remove_affix_method<true>},
      {"expandtabs", expand_tabs_method},
      {"isalpha", all_method<is_alphabetic>},
      {"isalnum", all_method<is_alphanumeric>},
      {"isdecimal", all_method<is_decimal>},
      {"isdigit", all_method<is_digit>},
      {"isnumeric", all_method<is_numeric>},
      {"isspace", all_method<is_space>},
      {"isprintable", is_printable_method},
      {"isascii", is_ascii_method},
      {"islower", case_method<is_lower>},
      {"isupper", case_method<is_upper>},
      {"istitle", is_title_method},
  };
  const auto found = kMethods.find(name);
  return found == kMethods.end() ? nullptr : found->second;
}

}  // namespace tandem::text::jinja
