#include "tandem/text/jinja/string_operations.h"

#include <algorithm>

#include "tandem/text/jinja/format.h"
#include "tandem/text/jinja/unicode.h"

namespace tandem::text::jinja {
namespace {

constexpr std::size_t kNone = std::string::npos;

/// Where the character that ends at `end` begins.
std::size_t previous_character(std::string_view text, std::size_t end) {
  std::size_t begin = end - 1;
  while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
  return begin;
}

/// What strip() takes away.
class StrippedCharacters {
 public:
  explicit StrippedCharacters(const Text* characters) : are_spaces_(characters == nullptr) {
    if (are_spaces_) return;
    const std::string_view text = characters->view();
    for (std::size_t byte = 0; byte < text.size(); byte += character_size(text, byte)) {
      code_points_.push_back(code_point_at(text, byte));
    }
    std::sort(code_points_.begin(), code_points_.end());
  }
  bool contains(std::uint32_t code_point) const {
    if (are_spaces_) return is_space(code_point);
    return std::binary_search(code_points_.begin(), code_points_.end(), code_point);
  }

 private:
  bool are_spaces_;
  std::vector<std::uint32_t> code_points_;
};

/// Maps every character with `map(code point, index of the byte)`.
template <typename Map>
Text map_characters(const Text& text, Map map) {
  TextBuilder builder;
  text.for_each_run([&](std::size_t begin, std::size_t end, Origin origin) {
    std::string run;
    for (std::size_t byte = begin; byte < end; byte += character_size(text.view(), byte)) {
      run += map(code_point_at(text.view(), byte), byte);
    }
    builder.append(run, origin);
  });
  return builder.take().as_markup(text.is_markup());
}

bool is_case_ignorable(std::uint32_t c) {
  return c == '\'' || c == '.' || c == ':' || c == '^' || c == '`' || c == 0xAD || c == 0xB7 || c == 0x2019 ||
         (!is_alphabetic(c) && c >= 0x300 && c < 0x370);
}

/// Σ is ς at the end of a word.
bool is_final_sigma(std::string_view text, std::size_t byte) {
  std::size_t before = byte;
  bool has_letter_before = false;
  while (before > 0) {
    before = previous_character(text, before);
    const std::uint32_t c = code_point_at(text, before);
    if (is_case_ignorable(c)) continue;
    has_letter_before = is_cased(c);
    break;
  }
  if (!has_letter_before) return false;
  for (std::size_t after = byte + character_size(text, byte); after < text.size();
       after += character_size(text, after)) {
    const std::uint32_t c = code_point_at(text, after);
    if (!is_case_ignorable(c)) return !is_cased(c);
  }
  return true;
}

std::string lower_at(std::string_view text, std::uint32_t c, std::size_t byte) {
  constexpr std::uint32_t kCapitalSigma = 0x3A3;
  if (c == kCapitalSigma) return is_final_sigma(text, byte) ? "\u03C2" : "\u03C3";
  return to_lower(c);
}

Value piece(Heap& heap, const Text& text, std::size_t begin, std::size_t end) {
  return heap.string(text.slice(begin, end));
}

std::size_t skip_while(const Text& text, std::size_t byte, bool space) {
  while (byte < text.size() && is_space(code_point_at(text.view(), byte)) == space) {
    byte += character_size(text.view(), byte);
  }
  return byte;
}

std::size_t skip_back_while(const Text& text, std::size_t end, bool space) {
  while (end > 0) {
    const std::size_t begin = previous_character(text.view(), end);
    if (is_space(code_point_at(text.view(), begin)) != space) break;
    end = begin;
  }
  return end;
}

std::vector<Value> split_at_space(Heap& heap, const Text& text, std::int64_t max_splits) {
  std::vector<Value> parts;
  std::size_t begin = skip_while(text, 0, /*space=*/true);
  while (begin < text.size()) {
    if (max_splits >= 0 && static_cast<std::int64_t>(parts.size()) >= max_splits) {
      parts.push_back(piece(heap, text, begin, text.size()));
      break;
    }
    const std::size_t end = skip_while(text, begin, /*space=*/false);
    parts.push_back(piece(heap, text, begin, end));
    begin = skip_while(text, end, /*space=*/true);
  }
  return parts;
}

std::vector<Value> split_at_space_from_right(Heap& heap, const Text& text, std::int64_t max_splits) {
  std::vector<Value> parts;
  std::size_t end = skip_back_while(text, text.size(), /*space=*/true);
  while (end > 0) {
    if (max_splits >= 0 && static_cast<std::int64_t>(parts.size()) >= max_splits) {
      parts.push_back(piece(heap, text, 0, end));
      break;
    }
    const std::size_t begin = skip_back_while(text, end, /*space=*/false);
    parts.push_back(piece(heap, text, begin, end));
    end = skip_back_while(text, begin, /*space=*/true);
  }
  std::reverse(parts.begin(), parts.end());
  return parts;
}

/// Bytes of the line break at `byte`; 0 when there is none.
std::size_t line_break_size(std::string_view text, std::size_t byte) {
  const std::uint32_t c = code_point_at(text, byte);
  if (c == '\r') return byte + 1 < text.size() && text[byte + 1] == '\n' ? 2 : 1;
  const bool breaks =
      (c >= '\n' && c <= '\f') || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
  return breaks ? character_size(text, byte) : 0;
}

void check_separator(const Text& separator) {
  if (separator.empty()) fail("empty separator");
}

}  // namespace

Text strip(const Text& text, const Text* characters, Side side) {
  const StrippedCharacters stripped(characters);
  std::size_t begin = 0, end = text.size();
  while (side != Side::kRight && begin < end && stripped.contains(code_point_at(text.view(), begin))) {
    begin += character_size(text.view(), begin);
  }
  while (side != Side::kLeft && end > begin) {
    const std::size_t last = previous_character(text.view(), end);
    if (!stripped.contains(code_point_at(text.view(), last))) break;
    end = last;
  }
  return text.slice(begin, end);
}

Text replace(Heap& heap, const Text& text, const Text& from, const Text& to, std::int64_t count) {
  spend_search(heap, text.view(), from.view());
  TextBuilder builder;
  std::size_t place = 0;
  while (count != 0) {
    const std::size_t found = from.empty() ? place : text.bytes().find(from.bytes(), place);
    if (found == kNone) break;
    builder.append(text, place, found);
    builder.append(to);
    heap.check_text_size(builder.size());
    heap.spend();
    place = found + from.size();
    if (count > 0) --count;
    if (!from.empty()) continue;
    // An empty pattern stands before every character and at the end.
    if (place >= text.size()) return builder.take();
    const std::size_t next = place + character_size(text.view(), place);
    builder.append(text, place, next);
    place = next;
  }
  builder.append(text, place, text.size());
  return builder.take();
}

Text to_upper(const Text& text) {
  return map_characters(text, [](std::uint32_t c, std::size_t) { return to_upper(c); });
}

Text to_lower(const Text& text) {
  return map_characters(text,
                        [&](std::uint32_t c, std::size_t byte) { return lower_at(text.view(), c, byte); });
}

Text capitalize(const Text& text) {
  return map_characters(text, [&](std::uint32_t c, std::size_t byte) {
    return byte == 0 ? to_title(c) : lower_at(text.view(), c, byte);
  });
}

Text swap_case(const Text& text) {
  return map_characters(text, [&](std::uint32_t c, std::size_t byte) {
    if (is_upper(c)) return lower_at(text.view(), c, byte);
    return to_upper(c);
  });
}

Text title(const Text& text) {
  bool in_word = false;
  return map_characters(text, [&](std::uint32_t c, std::size_t byte) {
    const std::string mapped = in_word ? lower_at(text.view(), c, byte) : to_title(c);
    in_word = is_cased(c);
    return mapped;
  });
}

std::vector<Value> split(Heap& heap, const Text& text, const Text* separator, std::int64_t max_splits) {
  if (separator == nullptr) return split_at_space(heap, text, max_splits);
  check_separator(*separator);
  spend_search(heap, text.view(), separator->view());
  std::vector<Value> parts;
  std::size_t begin = 0;
  while (max_splits < 0 || static_cast<std::int64_t>(parts.size()) < max_splits) {
    const std::size_t found = text.bytes().find(separator->bytes(), begin);
    if (found == kNone) break;
    parts.push_back(piece(heap, text, begin, found));
    begin = found + separator->size();
  }
  parts.push_back(piece(heap, text, begin, text.size()));
  return parts;
}

std::vector<Value> split_from_right(Heap& heap, const Text& text, const Text* separator,
                                    std::int64_t max_splits) {
  if (separator == nullptr) return split_at_space_from_right(heap, text, max_splits);
  check_separator(*separator);
  spend_search(heap, text.view(), separator->view());
  std::vector<Value> parts;
  std::size_t end = text.size();
  while (max_splits < 0 || static_cast<std::int64_t>(parts.size()) < max_splits) {
    if (end < separator->size()) break;
    const std::size_t found = text.bytes().rfind(separator->bytes(), end - separator->size());
    if (found == kNone) break;
    parts.push_back(piece(heap, text, found + separator->size(), end));
    end = found;
  }
  parts.push_back(piece(heap, text, 0, end));
  std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<Value> split_lines(Heap& heap, const Text& text, bool keep_ends) {
  std::vector<Value> lines;
  std::size_t begin = 0;
  for (std::size_t byte = 0; byte < text.size();) {
    const std::size_t size = line_break_size(text.view(), byte);
    if (size == 0) {
      byte += character_size(text.view(), byte);
      continue;
    }
    lines.push_back(piece(heap, text, begin, keep_ends ? byte + size : byte));
    byte += size;
    begin = byte;
  }
  if (begin < text.size()) lines.push_back(piece(heap, text, begin, text.size()));
  return lines;
}

Text join(Heap& heap, const Text& separator, const std::vector<Value>& items) {
  TextBuilder builder;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) builder.append(separator);
    builder.append(to_text(heap, items[i]));
    heap.check_text_size(builder.size());
  }
  return builder.take();
}

Text pad(Heap& heap, const Text& text, std::int64_t width, const Text& fill, Side side) {
  if (fill.length() != 1) fail("The fill character must be exactly one character long");
  const auto length = static_cast<std::int64_t>(text.length());
  if (width <= length) return text;
  const std::int64_t missing = width - length;
  heap.check_text_size(static_cast<std::size_t>(missing));
  // Python's str.center puts the odd blank left when the width is odd.
  const std::int64_t middle = missing / 2 + (missing & width & 1);
  const std::int64_t left = side == Side::kLeft ? 0 : side == Side::kRight ? missing : middle;
  TextBuilder builder;
  for (std::int64_t i = 0; i < left; ++i) builder.append(fill);
  builder.append(text);
  for (std::int64_t i = left; i < missing; ++i) builder.append(fill);
  return builder.take().as_markup(text.is_markup());
}

}  // namespace tandem::text::jinja
