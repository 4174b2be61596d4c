// Python's `%` on strings, as the operator and the `format` filter use it.
#include <algorithm>
#include <cmath>

#include "tandem/text/jinja/format.h"
#include "tandem/text/jinja/format_spec.h"
#include "tandem/text/jinja/unicode.h"

namespace tandem::text::jinja {
namespace {

class PercentFormatter {
 public:
  PercentFormatter(Heap& heap, const Text& format, const Value& arguments) : heap_(heap), format_(format) {
    if (arguments.is(Kind::kTuple)) {
      values_ = arguments.list().items;
    } else {
      values_.push_back(arguments);
      if (arguments.is_dict()) mapping_ = &arguments.dict();
    }
    // A mapping, list or undefined value need not be used up.
    may_leave_values_ = arguments.is_dict() || arguments.is(Kind::kList) || arguments.is_undefined();
  }

  Text run() {
    const std::string& text = format_.bytes();
    while (place_ < text.size()) {
      const std::size_t percent = std::min(text.find('%', place_), text.size());
      builder_.append(format_, place_, percent);
      place_ = percent + 1;
      if (percent < text.size()) append_field();
      heap_.check_text_size(builder_.size());
    }
    if (next_ < values_.size() && !may_leave_values_)
      fail("not all arguments converted during string formatting");
    Text result = builder_.take();
    return format_.is_markup() ? result.as_markup(true) : result;
  }

 private:
  char peek() const {
    if (place_ >= format_.size()) fail("incomplete format");
    return format_.bytes()[place_];
  }

  const Value& next_value() {
    if (next_ >= values_.size()) fail("not enough arguments for format string");
    return values_[next_++];
  }

  std::int64_t number_or_star() {
    if (peek() != '*') return parse_field_number(format_.view(), place_);
    ++place_;
    const Value& value = next_value();
    if (!value.is_integral()) fail("* wants int");
    if (value.as_int() > kMaxFieldWidth || value.as_int() < -kMaxFieldWidth)
      fail("a width in a format is too large");
    return value.as_int();
  }

  void append_field() {
    Value value;
    bool has_value = false;
    if (peek() == '(') {
      value = named_value();
      has_value = true;
    }
    FormatSpec spec;
    bool zero = false, left = false;
    for (; std::string_view("-+ #0").find(peek()) != std::string_view::npos; ++place_) {
      left |= peek() == '-';
      zero |= peek() == '0';
      spec.alternate |= peek() == '#';
      if (peek() == '+' || (peek() == ' ' && spec.sign != '+')) spec.sign = peek();
    }
    const std::int64_t width = number_or_star();
    left |= width < -1;
    spec.width = width < -1 ? -width : std::max<std::int64_t>(width, 0);
    if (peek() == '.') {
      ++place_;
      spec.precision = std::max<std::int64_t>(number_or_star(), 0);
    }
    while (peek() == 'h' || peek() == 'l' || peek() == 'L') ++place_;
    const char type = format_.bytes()[place_++];
    if (type == '%') return builder_.append("%", format_.origin_at(place_ - 1));
    spec.align = left ? '<' : zero ? '=' : '>';
    if (zero && !left) spec.fill = "0";
    append_value(has_value ? value : next_value(), type, spec);
  }

  Value named_value() {
    const std::size_t close = format_.bytes().find(')', place_);
    if (close == std::string::npos) fail("incomplete format key");
    if (mapping_ == nullptr) fail("format requires a mapping");
    const std::string key = format_.bytes().substr(place_ + 1, close - place_ - 1);
    place_ = close + 1;
    next_ = values_.size();
    const Value* found = mapping_->find(key);
    if (found == nullptr) fail("no key '" + key + "' for the format string");
    return *found;
  }

  void append_value(const Value& value, char type, FormatSpec spec) {
    if (type == 's' || type == 'r' || type == 'a') {
      spec.align = spec.align == '=' ? '>' : spec.align;
      spec.fill = " ";
      return builder_.append(format_text(heap_, text_of(value, type), spec));
    }
    check_defined(value);
    if (type == 'c') return append_character(value, spec);
    if (!value.is_number()) {
      fail(std::string("%") + type + " format: a real number is required, not " +
           std::string(type_name(value)));
    }
    const bool wants_integer = std::string_view("diuxXo").find(type) != std::string_view::npos;
    if (!wants_integer && std::string_view("eEfFgG").find(type) == std::string_view::npos) {
      fail(std::string("unsupported format character '") + type + "'");
    }
    spec.type = type == 'i' || type == 'u' ? 'd' : type;
    const Value number = wants_integer ? as_integer(value, type) : value;
    builder_.append(wants_integer ? integer_text(number, spec) : format_number(number, spec), value.origin());
  }

  Text text_of(const Value& value, char type) const {
    if (type == 's') return format_.is_markup() ? escape_html(to_text(heap_, value)) : to_text(heap_, value);
    TextBuilder repr;
    append_repr(heap_, repr, value);
    return repr.take();
  }

  static Value as_integer(const Value& value, char type) {
    if (!value.is(Kind::kFloat)) return value;
    if (type == 'x' || type == 'X' || type == 'o')
      fail(std::string("%") + type + " format: an integer is required, not float");
    if (!(std::fabs(value.as_double()) < 9.2e18)) fail("cannot convert float to integer");
    return Value::integer(static_cast<std::int64_t>(value.as_double()));
  }

  /// A precision of an integer is the least number of its digits.
  static std::string integer_text(const Value& number, FormatSpec spec) {
    const std::int64_t digits = std::exchange(spec.precision, -1);
    if (digits < 0) return format_number(number, spec);
    FormatSpec bare = spec;
    const bool is_signed = number.as_int() < 0 || spec.sign != '-';
    bare.width = digits + (is_signed ? 1 : 0) + (spec.alternate ? 2 : 0);
    bare.align = '=';
    bare.fill = "0";
    std::string text = format_number(number, bare);
    const std::size_t missing = static_cast<std::size_t>(
        std::max<std::int64_t>(spec.width - static_cast<std::int64_t>(text.size()), 0));
    return spec.align == '<' ? text + std::string(missing, ' ') : std::string(missing, spec.fill[0]) + text;
  }

  void append_character(const Value& value, const FormatSpec& spec) {
    FormatSpec plain = spec;
    plain.align = spec.align == '=' ? '>' : spec.align;
    plain.fill = " ";
    if (value.is_string() && value.text().length() == 1)
      return builder_.append(format_text(heap_, value.text(), plain));
    if (!value.is_integral() || value.as_int() < 0 || value.as_int() > 0x10FFFF)
      fail("%c requires int or char");
    std::string character;
    append_utf8(character, static_cast<std::uint32_t>(value.as_int()));
    builder_.append(format_text(heap_, Text(character, value.origin()), plain));
  }

  Heap& heap_;
  const Text& format_;
  std::vector<Value> values_;
  const Dict* mapping_ = nullptr;
  bool may_leave_values_ = false;
  std::size_t next_ = 0;
  std::size_t place_ = 0;
  TextBuilder builder_;
};

}  // namespace

Text percent_format(Heap& heap, const Text& format, const Value& arguments) {
  return PercentFormatter(heap, format, arguments).run();
}

}  // namespace tandem::text::jinja
