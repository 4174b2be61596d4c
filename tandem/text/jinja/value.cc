#include "tandem/text/jinja/value.h"

#include <algorithm>
#include <cmath>

#include "tandem/text/jinja/unicode.h"

namespace tandem::text::jinja {
namespace {

int sign(bool less, bool greater) { return less ? -1 : greater ? 1 : 0; }

int compare_numbers(const Value& a, const Value& b) {
  if (a.is_integral() && b.is_integral()) return sign(a.as_int() < b.as_int(), a.as_int() > b.as_int());
  return sign(a.as_double() < b.as_double(), a.as_double() > b.as_double());
}

bool equal_items(Heap& heap, const std::vector<Value>& a, const std::vector<Value>& b, int depth) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!equal(heap, a[i], b[i], depth + 1)) return false;
  }
  return true;
}

bool equal_dicts(Heap& heap, const Dict& a, const Dict& b, int depth) {
  if (a.items.size() != b.items.size()) return false;
  for (const auto& [key, value] : a.items) {
    const Value* other = b.find(key);
    if (other == nullptr || !equal(heap, value, *other, depth + 1)) return false;
  }
  return true;
}

void check_depth(int depth) {
  if (depth > kMaxValueDepth)
    fail("values are nested deeper than " + std::to_string(kMaxValueDepth) + " levels");
}

/// Numbers of every type share a rank, because 1 == 1.0 == True is one key.
int key_rank(const Value& value) {
  if (value.is_number()) return 1;
  return static_cast<int>(value.kind()) + 2;
}

bool number_key_less(const Value& a, const Value& b) {
  if (std::isnan(a.as_double()) || std::isnan(b.as_double())) {
    return !std::isnan(a.as_double()) && std::isnan(b.as_double());
  }
  return compare_numbers(a, b) < 0;
}

/// Counts the values that a key is made of.
bool is_hashable_within(const Value& value, int& num_values) {
  if (++num_values > 1000) return false;
  if (value.is(Kind::kList) || value.is_dict() || value.is(Kind::kView)) return false;
  if (!value.is(Kind::kTuple)) return true;
  const std::vector<Value>& items = value.list().items;
  return std::all_of(items.begin(), items.end(),
                     [&](const Value& item) { return is_hashable_within(item, num_values); });
}

}  // namespace

void fail(const std::string& message) { throw TemplateFailure(message); }

Value Value::none(Origin origin) {
  Value result(Kind::kNone);
  result.origin_ = origin;
  return result;
}

Value Value::boolean(bool value, Origin origin) {
  Value result(Kind::kBool);
  result.bits_.boolean = value;
  result.origin_ = origin;
  return result;
}

Value Value::integer(std::int64_t value, Origin origin) {
  Value result(Kind::kInt);
  result.bits_.integer = value;
  result.origin_ = origin;
  return result;
}

Value Value::number(double value, Origin origin) {
  Value result(Kind::kFloat);
  result.bits_.number = value;
  result.origin_ = origin;
  return result;
}

Value Value::object(Kind kind, Object* object) {
  Value result(kind);
  result.bits_.object = object;
  return result;
}

List& Value::list() const { return *static_cast<List*>(bits_.object); }
Dict& Value::dict() const { return *static_cast<Dict*>(bits_.object); }

Origin Value::origin() const {
  switch (kind_) {
    case Kind::kString:
    case Kind::kBigInt: return bits_.text->origin();
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kView:
    case Kind::kGenerator: return list().origin;
    case Kind::kDict:
    case Kind::kNamespace: return dict().origin;
    default: return origin_;
  }
}

std::int64_t RangeObject::size() const {
  if (step > 0) return start < stop ? (stop - start - 1) / step + 1 : 0;
  return start > stop ? (start - stop - 1) / -step + 1 : 0;
}

bool KeyLess::operator()(const Value& a, const Value& b) const {
  const int rank_a = key_rank(a), rank_b = key_rank(b);
  if (rank_a != rank_b) return rank_a < rank_b;
  if (a.is_number()) return number_key_less(a, b);
  switch (a.kind()) {
    case Kind::kString:
    case Kind::kBigInt: return a.text().bytes() < b.text().bytes();
    case Kind::kTuple:
      return std::lexicographical_compare(a.list().items.begin(), a.list().items.end(), b.list().items.begin(),
                                          b.list().items.end(), KeyLess{});
    case Kind::kNone:
    case Kind::kUndefined: return false;
    default: return std::less<>{}(a.object(), b.object());
  }
}

bool Dict::is_same_key(const Value& a, const Value& b) {
  if (a.is_string() && b.is_string()) return a.text() == b.text();
  const KeyLess less;
  return !less(a, b) && !less(b, a);
}

std::size_t Dict::position(const Value& key) const {
  if (items.size() < kIndexFrom) {
    const auto found = std::find_if(items.begin(), items.end(),
                                    [&](const auto& item) { return is_same_key(item.first, key); });
    return static_cast<std::size_t>(found - items.begin());
  }
  for (std::size_t i = index_.size(); i < items.size(); ++i) index_.emplace(items[i].first, i);
  const auto found = index_.find(key);
  return found == index_.end() ? items.size() : found->second;
}

const Value* Dict::find(const Value& key) const {
  const std::size_t place = position(key);
  return place == items.size() ? nullptr : &items[place].second;
}

const Value* Dict::find(std::string_view key) const {
  if (items.size() < kIndexFrom) {
    for (const auto& [name, value] : items) {
      if (name.is_string() && name.text().view() == key) return &value;
    }
    return nullptr;
  }
  const Text text{std::string(key)};
  return find(Value::string(&text));
}

void Dict::set(const Value& key, const Value& value) {
  const std::size_t place = position(key);
  if (place == items.size()) {
    items.emplace_back(key, value);
  } else {
    items[place].second = value;
  }
}

void Heap::spend(std::uint64_t count) {
  if (count > budget_.steps)
    fail("the template takes too many steps; it may not be meant for this conversation");
  budget_.steps -= count;
}

void Heap::spend_memory(std::size_t bytes) {
  if (bytes > budget_.memory_bytes) fail("the template needs too much memory");
  budget_.memory_bytes -= bytes;
}

void Heap::check_text_size(std::size_t bytes) const {
  if (bytes > budget_.max_text_bytes) {
    fail("the template makes a text of more than " + std::to_string(budget_.max_text_bytes) + " bytes");
  }
}

Value Heap::string(Text text) {
  check_text_size(text.size());
  spend(1 + text.size() / 64);
  spend_memory(sizeof(Text) + text.size() + text.request().size() * sizeof(Range));
  texts_.push_back(std::move(text));
  return Value::string(&texts_.back());
}

Value Heap::sequence(Kind kind, std::vector<Value> items, Origin origin) {
  spend(1 + items.size() / 16);
  spend_memory(items.size() * sizeof(Value));
  auto* list = make<List>();
  list->items = std::move(items);
  list->origin = origin;
  return Value::object(kind, list);
}

Value Heap::generator(std::vector<Value> items) {
  const Value result = sequence(Kind::kGenerator, std::move(items), Origin::kTemplate);
  result.list().name = "<generator object>";
  return result;
}

Value Heap::view(const char* name, std::vector<Value> items, Origin origin) {
  const Value result = sequence(Kind::kView, std::move(items), origin);
  result.list().name = name;
  return result;
}

Value Heap::dict(Origin origin) {
  auto* dict = make<Dict>();
  dict->origin = origin;
  return Value::object(Kind::kDict, dict);
}

Value Heap::undefined(std::string message) {
  const Value text = string(std::move(message));
  return Value::undefined(&text.text());
}

Value Heap::from_json(const Json& json, Origin origin) {
  switch (json.type()) {
    case Json::value_t::boolean: return Value::boolean(json.get<bool>(), origin);
    case Json::value_t::number_integer: return Value::integer(json.get<std::int64_t>(), origin);
    case Json::value_t::number_unsigned: {
      const auto number = json.get<std::uint64_t>();
      if (number <= INT64_MAX) return Value::integer(static_cast<std::int64_t>(number), origin);
      const Value digits = string(std::to_string(number), origin);
      return Value::big_integer(&digits.text());
    }
    case Json::value_t::number_float: return Value::number(json.get<double>(), origin);
    case Json::value_t::string: return string(json.get_ref<const std::string&>(), origin);
    case Json::value_t::array: {
      std::vector<Value> items;
      items.reserve(json.size());
      for (const Json& item : json) items.push_back(from_json(item, origin));
      return list(std::move(items), origin);
    }
    case Json::value_t::object: {
      const Value result = dict(origin);
      spend_memory(json.size() * 2 * sizeof(Value));
      for (const auto& [key, item] : json.items()) {
        // Keys of a JSON object are distinct, so no look-up is needed.
        const Value value = from_json(item, origin);
        result.dict().items.emplace_back(string(key, origin), value);
      }
      return result;
    }
    default: return Value::none(origin);
  }
}

std::string_view type_name(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined: return "Undefined";
    case Kind::kNone: return "NoneType";
    case Kind::kBool: return "bool";
    case Kind::kInt:
    case Kind::kBigInt: return "int";
    case Kind::kFloat: return "float";
    case Kind::kString: return value.text().is_markup() ? "Markup" : "str";
    case Kind::kList: return "list";
    case Kind::kTuple: return "tuple";
    case Kind::kDict: return "dict";
    case Kind::kRange: return "range";
    case Kind::kView: return value.list().name;
    case Kind::kGenerator: return "generator";
    case Kind::kNamespace: return "Namespace";
    case Kind::kFunction: return "function";
    case Kind::kMacro: return "Macro";
    case Kind::kLoop: return "LoopContext";
    case Kind::kCycler: return "Cycler";
    case Kind::kJoiner: return "Joiner";
  }
  return "object";
}

bool is_true(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
    case Kind::kNone: return false;
    case Kind::kBool: return value.as_bool();
    case Kind::kInt: return value.as_int() != 0;
    case Kind::kFloat: return value.as_double() != 0.0;
    case Kind::kString: return !value.text().empty();
    case Kind::kGenerator: return true;
    default: return length_of(value).value_or(1) != 0;
  }
}

bool equal(Heap& heap, const Value& a, const Value& b, int depth) {
  check_depth(depth);
  heap.spend();
  if (a.is_number() && b.is_number()) return compare_numbers(a, b) == 0 && a.as_double() == b.as_double();
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kUndefined:
    case Kind::kNone: return true;
    case Kind::kString:
    case Kind::kBigInt:
      if (a.text().size() == b.text().size()) heap.spend(a.text().size() / 64);
      return a.text() == b.text();
    case Kind::kList:
    case Kind::kTuple:
      return &a.list() == &b.list() || equal_items(heap, a.list().items, b.list().items, depth);
    case Kind::kDict: return &a.dict() == &b.dict() || equal_dicts(heap, a.dict(), b.dict(), depth);
    case Kind::kRange: {
      const auto &x = static_cast<RangeObject&>(*a.object()), &y = static_cast<RangeObject&>(*b.object());
      return x.size() == y.size() &&
             (x.size() == 0 || (x.start == y.start && (x.size() == 1 || x.step == y.step)));
    }
    default: return a.object() == b.object();
  }
}

int compare(Heap& heap, const Value& a, const Value& b, std::string_view operation, int depth) {
  check_depth(depth);
  heap.spend();
  check_defined(a);
  check_defined(b);
  if (a.is_number() && b.is_number()) return compare_numbers(a, b);
  if (a.is_string() && b.is_string()) {
    heap.spend(std::min(a.text().size(), b.text().size()) / 64);
    const int order = a.text().bytes().compare(b.text().bytes());
    return sign(order < 0, order > 0);
  }
  if (a.is_sequence() && a.kind() == b.kind()) {
    const auto &x = a.list().items, &y = b.list().items;
    for (std::size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
      if (!equal(heap, x[i], y[i], depth + 1)) return compare(heap, x[i], y[i], operation, depth + 1);
    }
    return sign(x.size() < y.size(), x.size() > y.size());
  }
  fail("'" + std::string(operation) + "' not supported between instances of '" + std::string(type_name(a)) +
       "' and '" + std::string(type_name(b)) + "'");
}

bool is_hashable(const Value& value) {
  int num_values = 0;
  return is_hashable_within(value, num_values);
}

void check_hashable(const Value& value) {
  if (!is_hashable(value)) fail("unhashable type: '" + std::string(type_name(value)) + "'");
}

std::optional<std::int64_t> length_of(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined: return 0;
    case Kind::kString: return static_cast<std::int64_t>(value.text().length());
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kView: return static_cast<std::int64_t>(value.list().items.size());
    case Kind::kDict: return static_cast<std::int64_t>(value.dict().items.size());
    case Kind::kRange: return static_cast<RangeObject&>(*value.object()).size();
    default: return std::nullopt;
  }
}

bool is_iterable(const Value& value) {
  return length_of(value).has_value() || value.is(Kind::kGenerator) || value.is(Kind::kLoop);
}

std::vector<Value> iterate(Heap& heap, const Value& value) {
  std::vector<Value> items;
  switch (value.kind()) {
    case Kind::kUndefined: return items;
    case Kind::kList:
    case Kind::kTuple:
    case Kind::kView:
      heap.spend_memory(value.list().items.size() * sizeof(Value));
      return value.list().items;
    case Kind::kGenerator: {
      List& source = value.list();
      items.assign(source.items.begin() + static_cast<std::ptrdiff_t>(source.next), source.items.end());
      source.next = source.items.size();
      return items;
    }
    case Kind::kDict:
      for (const auto& [key, item] : value.dict().items) items.push_back(key);
      return items;
    case Kind::kRange: {
      const auto& range = static_cast<RangeObject&>(*value.object());
      heap.spend(static_cast<std::uint64_t>(range.size()));
      for (std::int64_t i = 0; i < range.size(); ++i)
        items.push_back(Value::integer(range.start + i * range.step));
      return items;
    }
    case Kind::kString: {
      const Text& text = value.text();
      for (std::size_t byte = 0; byte < text.size();) {
        const std::size_t end = byte + character_size(text.view(), byte);
        items.push_back(heap.string(text.slice(byte, end)));
        byte = end;
      }
      return items;
    }
    default: fail("'" + std::string(type_name(value)) + "' object is not iterable");
  }
}

bool contains(Heap& heap, const Value& container, const Value& item) {
  if (container.is_string()) {
    check_defined(item);
    if (!item.is_string()) {
      fail("'in <string>' requires string as left operand, not " + std::string(type_name(item)));
    }
    return find_bytes(heap, container.text().view(), item.text().view()) != std::string_view::npos;
  }
  if (container.is_dict()) {
    check_hashable(item);
    return container.dict().find(item) != nullptr;
  }
  if (!is_iterable(container))
    fail("argument of type '" + std::string(type_name(container)) + "' is not iterable");
  const std::vector<Value> items = iterate(heap, container);
  heap.spend(items.size() / 16);
  return std::any_of(items.begin(), items.end(), [&](const Value& other) { return equal(heap, other, item); });
}

void spend_search(Heap& heap, std::string_view text, std::string_view wanted) {
  // The library's search may compare `wanted` at every place.
  const std::size_t places = text.size() > wanted.size() ? text.size() - wanted.size() : 1;
  heap.spend(1 + text.size() / 64 + places / 256 * (wanted.size() / 256));
}

std::size_t find_bytes(Heap& heap, std::string_view text, std::string_view wanted, bool from_right) {
  spend_search(heap, text, wanted);
  return from_right ? text.rfind(wanted) : text.find(wanted);
}

void check_defined(const Value& value) {
  if (!value.is_undefined()) return;
  fail(value.undefined_message() != nullptr ? value.undefined_message()->bytes() : "a value is undefined");
}

}  // namespace tandem::text::jinja
