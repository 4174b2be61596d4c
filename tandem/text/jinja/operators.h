// Python's operators on values. Called by the interpreter's expressions and by filters.
#pragma once

#include "tandem/text/jinja/ast.h"
#include "tandem/text/jinja/value.h"

namespace tandem::text::jinja {

/// a op b. Integers that leave 64 bits are an error, as is what Python refuses.
Value apply_binary(Heap& heap, BinaryOp op, const Value& a, const Value& b);
/// -a, and with `negate` false +a.
Value apply_sign(const Value& a, bool negate);
bool apply_compare(Heap& heap, CompareOp op, const Value& a, const Value& b);
/// Python's slice.indices: the first index, how many, and the step. Absent bounds are nullopt.
struct SliceRange {
  std::int64_t start = 0, count = 0, step = 1;
};
SliceRange slice_range(std::int64_t length, std::optional<std::int64_t> start, std::optional<std::int64_t> stop,
                       std::optional<std::int64_t> step);
/// value[start:stop:step] of a string, list, tuple or range.
Value slice_value(Heap& heap, const Value& value, std::optional<std::int64_t> start,
                  std::optional<std::int64_t> stop, std::optional<std::int64_t> step);

}  // namespace tandem::text::jinja
