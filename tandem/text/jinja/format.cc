#include "tandem/text/jinja/format.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "tandem/base/strings.h"
#include "tandem/text/jinja/interpreter.h"
#include "tandem/text/jinja/unicode.h"

namespace tandem::text::jinja {
namespace {

/// The shortest of "%.{p}e" that reads back as `value`, as digits and a decimal exponent.
struct Digits {
  std::string digits;  ///< without trailing zeros
  int exponent = 0;    ///< of the first digit
};

Digits shortest_digits(double value) {
  std::string text;
  for (int precision = 0; precision <= 16; ++precision) {
    text = format("%.*e", precision, value);
    if (std::strtod(text.c_str(), nullptr) == value) break;
  }
  const std::size_t e = text.find('e');
  Digits result{text.substr(0, e), std::atoi(text.c_str() + e + 1)};
  result.digits.erase(std::remove(result.digits.begin(), result.digits.end(), '.'), result.digits.end());
  while (result.digits.size() > 1 && result.digits.back() == '0') result.digits.pop_back();
  return result;
}

/// repr() of one character inside quotes.
void append_repr_character(std::string& out, std::uint32_t c, char quote) {
  if (c == static_cast<std::uint32_t>(quote) || c == '\\') {
    out += '\\';
    out += static_cast<char>(c);
  } else if (c == '\n') {
    out += "\\n";
  } else if (c == '\r') {
    out += "\\r";
  } else if (c == '\t') {
    out += "\\t";
  } else if (is_printable(c)) {
    append_utf8(out, c);
  } else if (c < 0x100) {
    out += format("\\x%02x", c);
  } else {
    out += format(c < 0x10000 ? "\\u%04x" : "\\U%08x", c);
  }
}

void append_string_repr(TextBuilder& out, const Text& text) {
  const std::string& bytes = text.bytes();
  const bool has_single = bytes.find('\'') != std::string::npos,
             has_double = bytes.find('"') != std::string::npos;
  const char quote = has_single && !has_double ? '"' : '\'';
  const std::string_view quotes(&quote, 1);
  if (text.is_markup()) out.append("Markup(");
  out.append(quotes, text.origin());
  text.for_each_run([&](std::size_t begin, std::size_t end, Origin origin) {
    std::string run;
    for (std::size_t byte = begin; byte < end; byte += character_size(bytes, byte)) {
      append_repr_character(run, code_point_at(bytes, byte), quote);
    }
    out.append(run, origin);
  });
  out.append(quotes, text.origin());
  if (text.is_markup()) out.append(")");
}

void append_items(Heap& heap, TextBuilder& out, const Value& value, std::string_view open,
                  std::string_view close, int depth) {
  const List& list = value.list();
  out.append(open, list.origin);
  for (std::size_t i = 0; i < list.items.size(); ++i) {
    if (i > 0) out.append(", ", list.origin);
    append_repr(heap, out, list.items[i], depth + 1);
  }
  if (value.is(Kind::kTuple) && list.items.size() == 1) out.append(",", list.origin);
  out.append(close, list.origin);
}

void append_dict(Heap& heap, TextBuilder& out, const Dict& dict, int depth) {
  out.append("{", dict.origin);
  bool is_first = true;
  for (const auto& [key, value] : dict.items) {
    if (!is_first) out.append(", ", dict.origin);
    is_first = false;
    append_repr(heap, out, key, depth + 1);
    out.append(": ", dict.origin);
    append_repr(heap, out, value, depth + 1);
  }
  out.append("}", dict.origin);
}

std::string range_repr(const RangeObject& range) {
  std::string text = "range(" + std::to_string(range.start) + ", " + std::to_string(range.stop);
  if (range.step != 1) text += ", " + std::to_string(range.step);
  return text + ")";
}

}  // namespace

std::string float_repr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  const std::string sign = std::signbit(value) ? "-" : "";
  const Digits shortest = shortest_digits(std::fabs(value));
  const std::string& digits = shortest.digits;
  const int exponent = shortest.exponent;
  if (exponent < -4 || exponent >= 16) {
    const std::string mantissa = digits.size() == 1 ? digits : digits.substr(0, 1) + "." + digits.substr(1);
    return sign + mantissa + format("e%c%02d", exponent < 0 ? '-' : '+', std::abs(exponent));
  }
  if (exponent < 0) return sign + "0." + std::string(static_cast<std::size_t>(-exponent - 1), '0') + digits;
  const auto whole = static_cast<std::size_t>(exponent) + 1;
  if (digits.size() <= whole) return sign + digits + std::string(whole - digits.size(), '0') + ".0";
  return sign + digits.substr(0, whole) + "." + digits.substr(whole);
}

void append_repr(Heap& heap, TextBuilder& out, const Value& value, int depth) {
  if (depth > kMaxValueDepth) fail("a value is nested too deeply to be printed");
  heap.spend();
  heap.check_text_size(out.size());
  switch (value.kind()) {
    case Kind::kUndefined: out.append("Undefined"); break;
    case Kind::kNone: out.append("None", value.origin()); break;
    case Kind::kBool: out.append(value.as_bool() ? "True" : "False", value.origin()); break;
    case Kind::kInt: out.append(std::to_string(value.as_int()), value.origin()); break;
    case Kind::kFloat: out.append(float_repr(value.as_double()), value.origin()); break;
    case Kind::kBigInt: out.append(value.text()); break;
    case Kind::kString:
      heap.spend(value.text().size() / 8);
      append_string_repr(out, value.text());
      break;
    case Kind::kList: append_items(heap, out, value, "[", "]", depth); break;
    case Kind::kTuple: append_items(heap, out, value, "(", ")", depth); break;
    case Kind::kDict: append_dict(heap, out, value.dict(), depth); break;
    case Kind::kRange: out.append(range_repr(static_cast<RangeObject&>(*value.object()))); break;
    case Kind::kView:
      out.append(value.list().name);
      append_items(heap, out, value, "([", "])", depth);
      break;
    case Kind::kNamespace:
      out.append("<Namespace ");
      append_dict(heap, out, value.dict(), depth);
      out.append(">");
      break;
    case Kind::kMacro:
      out.append("<Macro '" + static_cast<MacroObject&>(*value.object()).definition->spelling + "'>");
      break;
    default: out.append("<" + std::string(type_name(value)) + " object>"); break;
  }
}

const Text& to_text(Heap& heap, const Value& value) {
  if (value.is_string()) return value.text();
  TextBuilder builder;
  if (!value.is_undefined()) append_repr(heap, builder, value);
  return heap.string(builder.take()).text();
}

Text escape_html(const Text& text) {
  if (text.is_markup()) return text;
  static constexpr std::string_view kSpecial = "&<>'\"";
  static constexpr std::string_view kEntities[] = {"&amp;", "&lt;", "&gt;", "&#39;", "&#34;"};
  TextBuilder builder;
  std::size_t place = 0;
  while (place < text.size()) {
    const std::size_t found = std::min(text.bytes().find_first_of(kSpecial, place), text.size());
    builder.append(text, place, found);
    if (found == text.size()) break;
    builder.append(kEntities[kSpecial.find(text.bytes()[found])], text.origin_at(found));
    place = found + 1;
  }
  return builder.take().as_markup(true);
}

}  // namespace tandem::text::jinja
