// json.dumps of the interpreter's values: the `tojson` filter.
#include <algorithm>
#include <cmath>

#include "tandem/base/strings.h"
#include "tandem/text/jinja/format.h"
#include "tandem/text/jinja/unicode.h"

namespace tandem::text::jinja {
namespace {

void append_json_character(std::string& out, std::uint32_t c, bool ensure_ascii) {
  static constexpr std::string_view kLetters = "\"\\\n\r\t\f\b", kEscapes = "\"\\nrtfb";
  const std::size_t letter = c < 0x80 ? kLetters.find(static_cast<char>(c)) : std::string_view::npos;
  if (letter != std::string_view::npos) {
    out += '\\';
    out += kEscapes[letter];
  } else if (c < 0x20 || (ensure_ascii && c >= 0x7F && c < 0x10000)) {
    out += format("\\u%04x", c);
  } else if (ensure_ascii && c >= 0x10000) {
    out += format("\\u%04x\\u%04x", 0xD800 + ((c - 0x10000) >> 10), 0xDC00 + ((c - 0x10000) & 0x3FF));
  } else {
    append_utf8(out, c);
  }
}

class JsonWriter {
 public:
  JsonWriter(Heap& heap, const JsonStyle& style) : heap_(heap), style_(style) {}

  Text run(const Value& value) {
    write(value);
    return out_.take();
  }

 private:
  void write(const Value& value) {
    heap_.spend();
    heap_.check_text_size(out_.size());
    switch (value.kind()) {
      case Kind::kNone: out_.append("null", value.origin()); break;
      case Kind::kBool: out_.append(value.as_bool() ? "true" : "false", value.origin()); break;
      case Kind::kInt: out_.append(std::to_string(value.as_int()), value.origin()); break;
      case Kind::kFloat: out_.append(float_text(value.as_double()), value.origin()); break;
      case Kind::kBigInt: out_.append(value.text()); break;
      case Kind::kString: write_string(value.text()); break;
      case Kind::kList:
      case Kind::kTuple: write_list(value.list()); break;
      case Kind::kDict: write_dict(value.dict()); break;
      default: fail("Object of type " + std::string(type_name(value)) + " is not JSON serializable");
    }
  }

  static std::string float_text(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
    return float_repr(value);
  }

  void write_string(const Text& text) {
    heap_.spend(text.size() / 8);
    out_.append("\"", text.origin());
    text.for_each_run([&](std::size_t begin, std::size_t end, Origin origin) {
      std::string run;
      for (std::size_t byte = begin; byte < end; byte += character_size(text.view(), byte)) {
        append_json_character(run, code_point_at(text.view(), byte), style_.ensure_ascii);
      }
      out_.append(run, origin);
    });
    out_.append("\"", text.origin());
  }

  void begin(std::string_view bracket, Origin origin) {
    if (++depth_ > kMaxValueDepth) fail("a value is nested too deeply to be printed as JSON");
    out_.append(bracket, origin);
  }
  void separate(bool is_first, Origin origin) {
    if (!is_first) out_.append(style_.item_separator, origin);
    new_line(origin);
  }
  void end(std::string_view bracket, Origin origin) {
    --depth_;
    new_line(origin);
    out_.append(bracket, origin);
  }
  void new_line(Origin origin) {
    if (!style_.indent) return;
    out_.append("\n", origin);
    for (int level = 0; level < depth_; ++level) out_.append(*style_.indent, origin);
  }

  void write_list(const List& list) {
    if (list.items.empty()) return out_.append("[]", list.origin);
    begin("[", list.origin);
    bool is_first = true;
    for (const Value& item : list.items) {
      separate(is_first, list.origin);
      is_first = false;
      write(item);
    }
    end("]", list.origin);
  }

  void write_dict(const Dict& dict) {
    if (dict.items.empty()) return out_.append("{}", dict.origin);
    auto items = dict.items;
    if (style_.sort_keys) {
      std::stable_sort(items.begin(), items.end(),
                       [&](const auto& a, const auto& b) { return compare(heap_, a.first, b.first) < 0; });
    }
    begin("{", dict.origin);
    bool is_first = true;
    for (const auto& [key, value] : items) {
      separate(is_first, dict.origin);
      is_first = false;
      write_key(key, dict.origin);
      out_.append(style_.key_separator, dict.origin);
      write(value);
    }
    end("}", dict.origin);
  }

  void write_key(const Value& key, Origin origin) {
    if (key.is_string()) return write_string(key.text());
    if (!key.is_number() && !key.is_none() && !key.is(Kind::kBigInt)) {
      fail("keys must be str, int, float, bool or None, not " + std::string(type_name(key)));
    }
    out_.append("\"", origin);
    write(key);
    out_.append("\"", origin);
  }

  Heap& heap_;
  const JsonStyle& style_;
  TextBuilder out_;
  int depth_ = 0;
};

}  // namespace

Text to_json(Heap& heap, const Value& value, const JsonStyle& style) {
  return JsonWriter(heap, style).run(value);
}

}  // namespace tandem::text::jinja
