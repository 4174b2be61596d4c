// Methods of lists, dicts, and Jinja's own objects; the sandbox forbids those that change their object.
#include <algorithm>
#include <array>

#include "tandem/text/jinja/methods.h"

namespace tandem::text::jinja {
namespace {

using Self = const Value&;
using Args = const Arguments&;

Value get_method(Interpreter&, Self self, Args arguments) {
  const Bound bound("get", arguments, {"key", "default"});
  check_hashable(bound.at(0));
  const Value* found = self.dict().find(bound.at(0));
  return found != nullptr ? *found : bound.value_or(1, Value::none());
}

Value items_method(Interpreter& interpreter, Self self, Args arguments) {
  const Bound bound("items", arguments, {});
  Heap& heap = interpreter.heap();
  std::vector<Value> pairs;
  const Origin origin = self.dict().origin;
  for (const auto& [key, value] : self.dict().items) pairs.push_back(heap.tuple({key, value}, origin));
  return heap.view("dict_items", std::move(pairs), origin);
}

Value keys_method(Interpreter& interpreter, Self self, Args arguments) {
  const Bound bound("keys", arguments, {});
  std::vector<Value> keys;
  for (const auto& [key, value] : self.dict().items) keys.push_back(key);
  return interpreter.heap().view("dict_keys", std::move(keys), self.dict().origin);
}

Value values_method(Interpreter& interpreter, Self self, Args arguments) {
  const Bound bound("values", arguments, {});
  std::vector<Value> values;
  for (const auto& [key, value] : self.dict().items) values.push_back(value);
  return interpreter.heap().view("dict_values", std::move(values), self.dict().origin);
}

Value copy_method(Interpreter& interpreter, Self self, Args arguments) {
  const Bound bound("copy", arguments, {});
  Heap& heap = interpreter.heap();
  if (self.is(Kind::kList)) return heap.list(self.list().items, self.list().origin);
  const Value copy = heap.dict(self.dict().origin);
  heap.spend_memory(self.dict().items.size() * 2 * sizeof(Value));
  copy.dict().items = self.dict().items;
  return copy;
}

Value count_method(Interpreter& interpreter, Self self, Args arguments) {
  const Bound bound("count", arguments, {"value"});
  const auto& items = self.list().items;
  const auto is_wanted = [&](const Value& item) { return equal(interpreter.heap(), item, bound.at(0)); };
  return Value::integer(std::count_if(items.begin(), items.end(), is_wanted));
}

Value index_method(Interpreter& interpreter, Self self, Args arguments) {
  const Bound bound("index", arguments, {"value"});
  const auto& items = self.list().items;
  const auto is_wanted = [&](const Value& item) { return equal(interpreter.heap(), item, bound.at(0)); };
  const auto found = std::find_if(items.begin(), items.end(), is_wanted);
  if (found == items.end()) fail("the value is not in the " + std::string(type_name(self)));
  return Value::integer(found - items.begin());
}

Value loop_cycle(Interpreter&, Self self, Args arguments) {
  if (arguments.positional.empty()) fail("no items for cycling given");
  const auto& loop = static_cast<LoopObject&>(*self.object());
  return arguments.positional[static_cast<std::size_t>(loop.index0) % arguments.positional.size()];
}

Value loop_changed(Interpreter& interpreter, Self self, Args arguments) {
  auto& loop = static_cast<LoopObject&>(*self.object());
  const auto &before = loop.last_changed, &now = arguments.positional;
  const auto same = [&](const Value& a, const Value& b) { return equal(interpreter.heap(), a, b); };
  const bool is_same = loop.has_changed_before && before.size() == now.size() &&
                       std::equal(now.begin(), now.end(), before.begin(), same);
  loop.last_changed = now;
  loop.has_changed_before = true;
  return Value::boolean(!is_same);
}

Value cycler_next(Interpreter&, Self self, Args) {
  auto& cycler = static_cast<CyclerObject&>(*self.object());
  const Value item = cycler.items[cycler.place];
  cycler.place = (cycler.place + 1) % cycler.items.size();
  return item;
}

Value cycler_reset(Interpreter&, Self self, Args) {
  static_cast<CyclerObject&>(*self.object()).place = 0;
  return Value::none();
}

struct Entry {
  std::string_view name;
  Method method;
};

constexpr Entry kDictMethods[] = {{"get", get_method}, {"items", items_method}, {"keys", keys_method},
                                  {"values", values_method}, {"copy", copy_method}};
constexpr Entry kListMethods[] = {{"count", count_method}, {"index", index_method}, {"copy", copy_method}};
constexpr Entry kTupleMethods[] = {{"count", count_method}, {"index", index_method}};
constexpr Entry kLoopMethods[] = {{"cycle", loop_cycle}, {"changed", loop_changed}};
constexpr Entry kCyclerMethods[] = {{"next", cycler_next}, {"reset", cycler_reset}};

template <std::size_t n>
Method find_in(const Entry (&entries)[n], std::string_view name) {
  for (const Entry& entry : entries) {
    if (entry.name == name) return entry.method;
  }
  return nullptr;
}

}  // namespace

Method find_method(const Value& value, std::string_view name) {
  switch (value.kind()) {
    case Kind::kString: return find_string_method(name);
    case Kind::kDict: return find_in(kDictMethods, name);
    case Kind::kList: return find_in(kListMethods, name);
    case Kind::kTuple: return find_in(kTupleMethods, name);
    case Kind::kLoop: return find_in(kLoopMethods, name);
    case Kind::kCycler: return find_in(kCyclerMethods, name);
    default: return nullptr;
  }
}

bool is_forbidden_method(const Value& value, std::string_view name) {
  static constexpr std::array<std::string_view, 8> kOfLists = {"append", "clear",   "extend", "insert",
                                                               "pop",    "remove", "reverse", "sort"};
  static constexpr std::array<std::string_view, 5> kOfDicts = {"clear", "pop", "popitem", "setdefault",
                                                               "update"};
  const auto has = [&](const auto& names) {
    return std::find(names.begin(), names.end(), name) != names.end();
  };
  return (value.is(Kind::kList) && has(kOfLists)) || (value.is_dict() && has(kOfDicts));
}

}  // namespace tandem::text::jinja
