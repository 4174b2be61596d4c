// Filters on sequences and mappings.
#include <algorithm>

#include "tandem/base/strings.h"
#include "tandem/text/jinja/filter_tables.h"
#include "tandem/text/jinja/format.h"
#include "tandem/text/jinja/interpreter.h"
#include "tandem/text/jinja/operators.h"
#include "tandem/text/jinja/string_operations.h"

namespace tandem::text::jinja {
namespace {

using In = const Value&;
using Args = const Arguments&;

/// "a.b.0" as look-ups one after the other; an integer is one look-up; none is the item itself.
class AttributePath {
 public:
  AttributePath(Interpreter& interpreter, const Value& attribute, std::optional<Value> otherwise = std::nullopt)
      : interpreter_(interpreter), otherwise_(otherwise) {
    if (attribute.is_none() || attribute.is_undefined()) return;
    if (!attribute.is_string()) {
      keys_.push_back(attribute);
      return;
    }
    for (const std::string& part : tandem::split(attribute.text().view(), '.')) {
      const bool is_index =
          !part.empty() && part.size() < 10 && part.find_first_not_of("0123456789") == std::string::npos;
      keys_.push_back(is_index ? Value::integer(std::stoll(part)) : interpreter.heap().string(part));
    }
  }

  Value of(Value item) const {
    interpreter_.heap().spend();
    for (const Value& key : keys_) {
      item = interpreter_.get_item(item, key);
      if (item.is_undefined() && otherwise_) item = *otherwise_;
    }
    return item;
  }

 private:
  Interpreter& interpreter_;
  std::vector<Value> keys_;
  std::optional<Value> otherwise_;
};

Value fold_case(Interpreter& interpreter, const Value& value, bool case_sensitive) {
  return !case_sensitive && value.is_string() ? interpreter.heap().string(to_lower(value.text())) : value;
}

/// Stable sort of `items` by `keys` (of the same order); charges the comparisons.
std::vector<Value> sort_by(Interpreter& interpreter, const std::vector<Value>& items,
                           const std::vector<Value>& keys, bool is_reverse) {
  std::vector<std::size_t> order(items.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  const auto less = [&](std::size_t a, std::size_t b) {
    Heap& heap = interpreter.heap();
    return is_reverse ? compare(heap, keys[b], keys[a]) < 0 : compare(heap, keys[a], keys[b]) < 0;
  };
  std::stable_sort(order.begin(), order.end(), less);
  std::vector<Value> sorted;
  for (const std::size_t i : order) sorted.push_back(items[i]);
  return sorted;
}

Value length_filter(Interpreter& interpreter, In value, Args arguments) {
  const Bound bound("length", arguments, {});
  if (value.is_string()) interpreter.heap().spend(value.text().size() / 64);
  const std::optional<std::int64_t> length = length_of(value);
  if (!length) fail("object of type '" + std::string(type_name(value)) + "' has no len()");
  return Value::integer(*length);
}

Value join_filter(Interpreter& interpreter, In value, Args arguments) {
  Heap& heap = interpreter.heap();
  const Bound bound("join", arguments, {"d", "attribute"});
  std::vector<Value> items = iterate(heap, value);
  if (bound.has(1) && !bound.at(1).is_none()) {
    const AttributePath path(interpreter, bound.at(1));
    for (Value& item : items) item = path.of(item);
  }
  const Text empty;
  return heap.string(join(heap, bound.has(0) ? to_text(heap, bound.at(0)) : empty, items));
}

Value first_filter(Interpreter& interpreter, In value, Args arguments) {
  const Bound bound("first", arguments, {});
  const std::vector<Value> items = iterate(interpreter.heap(), value);
  return items.empty() ? interpreter.heap().undefined("No first item, sequence was empty.") : items.front();
}

Value last_filter(Interpreter& interpreter, In value, Args arguments) {
  const Bound bound("last", arguments, {});
  if (value.is(Kind::kGenerator)) fail("'generator' object is not reversible");
  const std::vector<Value> items = iterate(interpreter.heap(), value);
  return items.empty() ? interpreter.heap().undefined("No last item, sequence was empty.") : items.back();
}

Value list_filter(Interpreter& interpreter, In value, Args arguments) {
  const Bound bound("list", arguments, {});
  return interpreter.heap().list(iterate(interpreter.heap(), value),
                                 value.is_string() ? Origin::kTemplate : value.origin());
}

Value reverse_filter(Interpreter& interpreter, In value, Args arguments) {
  const Bound bound("reverse", arguments, {});
  Heap& heap = interpreter.heap();
  if (value.is_string()) return slice_value(heap, value, std::nullopt, std::nullopt, -1);
  std::vector<Value> items = iterate(heap, value);
  std::reverse(items.begin(), items.end());
  return value.is(Kind::kGenerator) ? heap.list(std::move(items)) : heap.generator(std::move(items));
}

Value default_filter(Interpreter& interpreter, In value, Args arguments) {
  const Bound bound("default", arguments, {"default_value", "boolean"});
  const bool replaces = value.is_undefined() || (bound.boolean_or(1, false) && !is_true(value));
  if (!replaces) return value;
  return bound.has(0) ? bound.at(0) : interpreter.heap().string("");
}

Value items_filter(Interpreter& interpreter, In value, Args arguments) {
  const Bound bound("items", arguments, {});
  Heap& heap = interpreter.heap();
  if (value.is_undefined()) return heap.generator({});
  if (!value.is_dict()) fail("Can only get item pairs from a mapping.");
  std::vector<Value> pairs;
  for (const auto& [key, item] : value.dict().items)
    pairs.push_back(heap.tuple({key, item}, value.dict().origin));
  return heap.generator(std::move(pairs));
}

Value dictsort_filter(Interpreter& interpreter, In value, Args arguments) {
  Heap& heap = interpreter.heap();
  const Bound bound("dictsort", arguments, {"case_sensitive", "by", "reverse"});
  const std::string by = bound.has(1) ? bound.text(1).bytes() : "key";
  if (by != "key" && by != "value") fail("You can only sort by either \"key\" or \"value\"");
  check_defined(value);
  if (!value.is_dict()) fail("'" + std::string(type_name(value)) + "' object has no attribute 'items'");
  std::vector<Value> pairs, keys;
  for (const auto& [key, item] : value.dict().items) {
    pairs.push_back(heap.tuple({key, item}, value.dict().origin));
    keys.push_back(fold_case(interpreter, by == "key" ? key : item, bound.boolean_or(0, false)));
  }
  return heap.list(sort_by(interpreter, pairs, keys, bound.boolean_or(2, false)));
}

Value sort_filter(Interpreter& interpreter, In value, Args arguments) {
  Heap& heap = interpreter.heap();
  const Bound bound("sort", arguments, {"reverse", "case_sensitive", "attribute"});
  const std::vector<Value> items = iterate(heap, value);
  std::vector<AttributePath> paths;
  const Value attribute = bound.value_or(2, Value::none());
  if (attribute.is_string()) {
    for (const std::string& part : tandem::split(attribute.text().view(), ',')) {
      paths.emplace_back(interpreter, heap.string(part));
    }
  } else {
    paths.emplace_back(interpreter, attribute);
  }
  std::vector<Value> keys;
  for (const Value& item : items) {
    std::vector<Value> parts;
    for (const AttributePath& path : paths)
      parts.push_back(fold_case(interpreter, path.of(item), bound.boolean_or(1, false)));
    keys.push_back(heap.list(std::move(parts)));
  }
  return heap.list(sort_by(interpreter, items, keys, bound.boolean_or(0, false)), value.origin());
}

Value unique_filter(Interpreter& interpreter, In value, Args arguments) {
  const Bound bound("unique", arguments, {"case_sensitive", "attribute"});
  const AttributePath path(interpreter, bound.value_or(1, Value::none()));
  Dict seen;
  std::vector<Value> kept;
  for (const Value& item : iterate(interpreter.heap(), value)) {
    const Value key = fold_case(interpreter, path.of(item), bound.boolean_or(0, false));
    check_hashable(key);
    if (seen.find(key) != nullptr) continue;
    seen.set(key, item);
    kept.push_back(item);
  }
  return interpreter.heap().generator(std::move(kept));
}

template <bool greatest>
Value extreme_filter(Interpreter& interpreter, In value, Args arguments) {
  const Bound bound("min or max", arguments, {"case_sensitive", "attribute"});
  const std::vector<Value> items = iterate(interpreter.heap(), value);
  if (items.empty()) return interpreter.heap().undefined("No aggregated item, sequence was empty.");
  const AttributePath path(interpreter, bound.value_or(1, Value::none()));
  const auto key_of = [&](const Value& item) {
    return fold_case(interpreter, path.of(item), bound.boolean_or(0, false));
  };
  Value best = items[0], best_key = key_of(best);
  for (std::size_t i = 1; i < items.size(); ++i) {
    const Value key = key_of(items[i]);
    Heap& heap = interpreter.heap();
    if (greatest ? compare(heap, key, best_key, ">") <= 0 : compare(heap, key, best_key) >= 0) continue;
    best = items[i];
    best_key = key;
  }
  return best;
}

Value sum_filter(Interpreter& interpreter, In value, Args arguments) {
  const Bound bound("sum", arguments, {"attribute", "start"});
  const AttributePath path(interpreter, bound.value_or(0, Value::none()));
  Value sum = bound.value_or(1, Value::integer(0));
  if (sum.is_string()) fail("sum() can't sum strings [use ''.join(seq) instead]");
  for (const Value& item : iterate(interpreter.heap(), value)) {
    sum = apply_binary(interpreter.heap(), BinaryOp::kAdd, sum, path.of(item));
  }
  return sum;
}

Value map_filter(Interpreter& interpreter, In value, Args arguments) {
  Heap& heap = interpreter.heap();
  if (!is_true(value)) return heap.generator({});
  std::vector<Value> mapped;
  const std::vector<Value> items = iterate(heap, value);
  if (arguments.positional.empty()) {
    const Bound bound("map", arguments, {"attribute", "default"});
    std::optional<Value> otherwise;
    if (bound.has(1) && !bound.at(1).is_none()) otherwise = bound.at(1);
    const AttributePath path(interpreter, bound.at(0), otherwise);
    for (const Value& item : items) mapped.push_back(path.of(item));
  } else {
    const std::string name = to_text(heap, arguments.positional[0]).bytes();
    Arguments rest = arguments;
    rest.positional.erase(rest.positional.begin());
    for (const Value& item : items) {
      heap.spend();
      mapped.push_back(interpreter.apply_filter(name, item, rest));
    }
  }
  return heap.generator(std::move(mapped));
}

/// select, reject, and with an attribute's name first selectattr, rejectattr.
template <bool keeps, bool by_attribute>
Value select_filter(Interpreter& interpreter, In value, Args arguments) {
  Heap& heap = interpreter.heap();
  std::vector<Value> kept;
  if (!is_true(value)) return heap.generator({});
  Arguments rest = arguments;
  const auto take_first = [&rest] {
    const Value first = rest.positional.front();
    rest.positional.erase(rest.positional.begin());
    return first;
  };
  if (by_attribute && rest.positional.empty()) fail("Missing parameter for attribute name");
  const AttributePath path(interpreter, by_attribute ? take_first() : Value::none());
  const bool has_test = !rest.positional.empty();
  const std::string test = has_test ? to_text(heap, take_first()).bytes() : "";
  for (const Value& item : iterate(heap, value)) {
    heap.spend();
    const Value subject = path.of(item);
    const bool holds = has_test ? interpreter.apply_test(test, subject, rest) : is_true(subject);
    if (holds == keeps) kept.push_back(item);
  }
  return heap.generator(std::move(kept));
}

Value batch_filter(Interpreter& interpreter, In value, Args arguments) {
  Heap& heap = interpreter.heap();
  const Bound bound("batch", arguments, {"linecount", "fill_with"});
  bound.at(0);
  const std::int64_t size = bound.integer_or(0, 1);
  std::vector<Value> rows, row;
  for (const Value& item : iterate(heap, value)) {
    if (static_cast<std::int64_t>(row.size()) == size) rows.push_back(heap.list(std::exchange(row, {})));
    row.push_back(item);
  }
  if (!row.empty()) {
    const bool fills = bound.has(1) && !bound.at(1).is_none();
    while (fills && static_cast<std::int64_t>(row.size()) < size) {
      heap.spend();
      row.push_back(bound.at(1));
    }
    rows.push_back(heap.list(std::move(row)));
  }
  return heap.generator(std::move(rows));
}

Value slice_filter(Interpreter& interpreter, In value, Args arguments) {
  Heap& heap = interpreter.heap();
  const Bound bound("slice", arguments, {"slices", "fill_with"});
  bound.at(0);
  const std::int64_t slices = bound.integer_or(0, 1);
  if (slices == 0) fail("integer division or modulo by zero");
  const std::vector<Value> items = iterate(heap, value);
  const auto length = static_cast<std::int64_t>(items.size());
  const std::int64_t size = length / slices, with_extra = length % slices;
  std::vector<Value> columns;
  for (std::int64_t i = 0, begin = 0; i < slices; ++i) {
    const std::int64_t end = begin + size + (i < with_extra ? 1 : 0);
    std::vector<Value> column(items.begin() + begin, items.begin() + end);
    if (bound.has(1) && !bound.at(1).is_none() && i >= with_extra) column.push_back(bound.at(1));
    columns.push_back(heap.list(std::move(column)));
    begin = end;
  }
  return heap.generator(std::move(columns));
}

Value groupby_filter(Interpreter& interpreter, In value, Args arguments) {
  Heap& heap = interpreter.heap();
  const Bound bound("groupby", arguments, {"attribute", "default", "case_sensitive"});
  std::optional<Value> otherwise;
  if (bound.has(1) && !bound.at(1).is_none()) otherwise = bound.at(1);
  const AttributePath path(interpreter, bound.at(0), otherwise);
  const bool case_sensitive = bound.boolean_or(2, false);
  const auto key_of = [&](const Value& item) { return fold_case(interpreter, path.of(item), case_sensitive); };
  const std::vector<Value> items = iterate(heap, value);
  std::vector<Value> keys;
  for (const Value& item : items) keys.push_back(key_of(item));
  const std::vector<Value> sorted = sort_by(interpreter, items, keys, /*is_reverse=*/false);
  std::vector<Value> groups, group;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    group.push_back(sorted[i]);
    if (i + 1 < sorted.size() && equal(heap, key_of(sorted[i]), key_of(sorted[i + 1]))) continue;
    const Value grouper = path.of(group[0]);
    groups.push_back(heap.tuple({grouper, heap.list(std::exchange(group, {}))}));
    groups.back().list().name = kGroupName;
  }
  return heap.list(std::move(groups));
}

Value attr_filter(Interpreter& interpreter, In value, Args arguments) {
  const Bound bound("attr", arguments, {"name"});
  const std::string& name = bound.text(0).bytes();
  if (value.is_dict() && value.dict().find(name) != nullptr) {
    return interpreter.heap().undefined("'dict object' has no attribute '" + name + "'");
  }
  return interpreter.get_attribute(value, name);
}

constexpr FilterEntry kFilters[] = {
    {"length", length_filter},
    {"count", length_filter},
    {"join", join_filter},
    {"first", first_filter},
    {"last", last_filter},
    {"list", list_filter},
    {"reverse", reverse_filter},
    {"default", default_filter},
    {"d", default_filter},
    {"items", items_filter},
    {"dictsort", dictsort_filter},
    {"sort", sort_filter},
    {"unique", unique_filter},
    {"min", extreme_filter<false>},
    {"max", extreme_filter<true>},
    {"sum", sum_filter},
    {"map", map_filter},
    {"select", select_filter<true, false>},
    {"reject", select_filter<false, false>},
    {"selectattr", select_filter<true, true>},
    {"rejectattr", select_filter<false, true>},
    {"batch", batch_filter},
    {"slice", slice_filter},
    {"groupby", groupby_filter},
    {"attr", attr_filter},
};

}  // namespace

std::span<const FilterEntry> sequence_filters() { return kFilters; }

}  // namespace tandem::text::jinja
