// What Python's str can do with text, origins kept. Shared by string methods and filters.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "tandem/text/jinja/value.h"

namespace tandem::text::jinja {

enum class Side { kLeft, kRight, kBoth };

/// Without the characters of `characters` (nullptr: white space) at the ends.
Text strip(const Text& text, const Text* characters, Side side);
/// At most `count` times; negative: everywhere.
Text replace(Heap& heap, const Text& text, const Text& from, const Text& to, std::int64_t count);
Text to_upper(const Text& text);
Text to_lower(const Text& text);
Text capitalize(const Text& text);
Text swap_case(const Text& text);
/// str.title(): a word is a run of letters.
Text title(const Text& text);
/// `separator` nullptr: at white space. `max_splits` negative: no bound.
std::vector<Value> split(Heap& heap, const Text& text, const Text* separator, std::int64_t max_splits);
std::vector<Value> split_from_right(Heap& heap, const Text& text, const Text* separator,
                                    std::int64_t max_splits);
std::vector<Value> split_lines(Heap& heap, const Text& text, bool keep_ends);
Text join(Heap& heap, const Text& separator, const std::vector<Value>& items);
/// `width` characters, filled left and right with `fill`: Side is where the text stands, kBoth in the middle.
Text pad(Heap& heap, const Text& text, std::int64_t width, const Text& fill, Side side);

}  // namespace tandem::text::jinja
