// The values of the Jinja interpreter, with Python's semantics, and the heap that owns them. A Value is a small
// handle; all it points to lives until the rendering ends, so cycles and deep nesting cost nothing to free.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tandem/base/error.h"
#include "tandem/base/json.h"
#include "tandem/text/jinja/text.h"

namespace tandem::text::jinja {

enum class Kind : unsigned char {
  kUndefined,
  kNone,
  kBool,
  kInt,
  kFloat,
  kString,
  kBigInt,     ///< an integer of a request past 64 bits: printed and compared, never computed with
  kList,
  kTuple,
  kDict,
  kRange,
  kView,       ///< dict.keys(), values(), items()
  kGenerator,  ///< what lazy filters give: consumed once, without length
  kNamespace,
  kFunction,   ///< a built-in global or a bound method
  kMacro,
  kLoop,
  kCycler,
  kJoiner,
};

struct Object {
  virtual ~Object() = default;
};
struct List;
struct Dict;
class Value;

/// What a template may not do, in Python's words; the interpreter adds the line.
struct TemplateFailure : Error {
  explicit TemplateFailure(const std::string& message) : Error(Code::kInvalidArgument, message) {}
};
[[noreturn]] void fail(const std::string& message);

class Value {
 public:
  Value() = default;  ///< undefined, without a name
  static Value undefined(const Text* message) { return Value(Kind::kUndefined, message); }
  static Value none(Origin origin = Origin::kTemplate);
  static Value boolean(bool value, Origin origin = Origin::kTemplate);
  static Value integer(std::int64_t value, Origin origin = Origin::kTemplate);
  static Value number(double value, Origin origin = Origin::kTemplate);
  static Value string(const Text* text) { return Value(Kind::kString, text); }
  static Value big_integer(const Text* digits) { return Value(Kind::kBigInt, digits); }
  static Value object(Kind kind, Object* object);

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  bool is_undefined() const { return kind_ == Kind::kUndefined; }
  bool is_none() const { return kind_ == Kind::kNone; }
  bool is_string() const { return kind_ == Kind::kString; }
  bool is_sequence() const { return kind_ == Kind::kList || kind_ == Kind::kTuple; }
  bool is_dict() const { return kind_ == Kind::kDict; }
  /// bool, int or float.
  bool is_number() const { return kind_ == Kind::kBool || kind_ == Kind::kInt || kind_ == Kind::kFloat; }
  /// bool or int.
  bool is_integral() const { return kind_ == Kind::kBool || kind_ == Kind::kInt; }

  bool as_bool() const { return bits_.boolean; }
  /// Of a bool or an int.
  std::int64_t as_int() const { return kind_ == Kind::kBool ? (bits_.boolean ? 1 : 0) : bits_.integer; }
  /// Of a bool, int or float.
  double as_double() const { return kind_ == Kind::kFloat ? bits_.number : static_cast<double>(as_int()); }
  const Text& text() const { return *bits_.text; }
  /// Why an undefined value is undefined; nullptr when nobody knows.
  const Text* undefined_message() const { return bits_.text; }
  List& list() const;  ///< of a list or a tuple
  Dict& dict() const;
  Object* object() const { return bits_.object; }
  /// Where the value came from: a scalar's own origin, a container's flag, whether a string has any request
  /// byte.
  Origin origin() const;

 private:
  explicit Value(Kind kind) : kind_(kind) { bits_.text = nullptr; }
  Value(Kind kind, const Text* text) : kind_(kind) { bits_.text = text; }

  Kind kind_ = Kind::kUndefined;
  Origin origin_ = Origin::kTemplate;
  union {
    bool boolean;
    std::int64_t integer;
    double number;
    const Text* text;
    Object* object;
  } bits_{.text = nullptr};
};

/// A list or a tuple, a dict's view, or a generator.
struct List : Object {
  std::vector<Value> items;
  Origin origin = Origin::kTemplate;  ///< kRequest: printed whole, brackets and all, as request data
  std::size_t next = 0;               ///< of a generator: what it gives next
  const char* name = "";  ///< of a view or a generator, as Python prints it; of a groupby filter's tuple
};

/// The `name` of the pairs that groupby gives: they have attributes `grouper` and `list`.
inline constexpr const char* kGroupName = "group";

struct RangeObject : Object {
  std::int64_t start = 0, stop = 0, step = 1;
  std::int64_t size() const;
};

/// Orders hashable values so that equal ones (1, 1.0, True) are one key. A tree, not a hash table: nobody can
/// choose keys that collide.
struct KeyLess {
  using is_transparent = void;
  bool operator()(const Value& a, const Value& b) const;
};

/// A dict in insertion order; also a namespace's attributes.
struct Dict : Object {
  std::vector<std::pair<Value, Value>> items;
  Origin origin = Origin::kTemplate;

  const Value* find(const Value& key) const;
  const Value* find(std::string_view key) const;
  void set(const Value& key, const Value& value);

 private:
  static constexpr std::size_t kIndexFrom = 16;  // below, comparing one by one is as fast
  std::size_t position(const Value& key) const;
  static bool is_same_key(const Value& a, const Value& b);
  mutable std::map<Value, std::size_t, KeyLess> index_;
};

/// What bounds one rendering.
struct Budget {
  std::uint64_t steps = 10'000'000;
  std::size_t max_text_bytes = 16 << 20;     ///< of any one string, the output included
  std::size_t memory_bytes = 256u << 20;   ///< all that is ever allocated
};

/// Owns every value of one rendering, and counts its cost.
class Heap {
 public:
  explicit Heap(const Budget& budget) : budget_(budget) {}
  Heap(const Heap&) = delete;

  /// Takes `count` from the step budget; fails when it is spent.
  void spend(std::uint64_t count = 1);
  /// Fails unless a string of this size is allowed.
  void check_text_size(std::size_t bytes) const;

  Value string(Text text);
  Value string(std::string_view bytes, Origin origin = Origin::kTemplate) {
    return string(Text(std::string(bytes), origin));
  }
  Value list(std::vector<Value> items, Origin origin = Origin::kTemplate) {
    return sequence(Kind::kList, std::move(items), origin);
  }
  Value tuple(std::vector<Value> items, Origin origin = Origin::kTemplate) {
    return sequence(Kind::kTuple, std::move(items), origin);
  }
  Value generator(std::vector<Value> items);
  Value view(const char* name, std::vector<Value> items, Origin origin);
  Value dict(Origin origin = Origin::kTemplate);
  /// Undefined that says `message` when it is used.
  Value undefined(std::string message);
  /// Request data: every string, key and number in it is Origin::kRequest unless `origin` says otherwise.
  Value from_json(const Json& json, Origin origin = Origin::kRequest);

  template <typename T>
  T* make() {
    spend_memory(sizeof(T) + 48);
    auto owned = std::make_unique<T>();
    T* object = owned.get();
    objects_.push_back(std::move(owned));
    return object;
  }
  void spend_memory(std::size_t bytes);

 private:
  Value sequence(Kind kind, std::vector<Value> items, Origin origin);

  Budget budget_;
  std::deque<Text> texts_;
  std::deque<std::unique_ptr<Object>> objects_;
};

/// Nested values are walked this deep; deeper is an error, never a stack overflow.
inline constexpr int kMaxValueDepth = 100;

/// "str", "list", "dict", "NoneType", … as in Python's messages.
std::string_view type_name(const Value& value);
bool is_true(const Value& value);
/// a == b; charged by what is compared.
bool equal(Heap& heap, const Value& a, const Value& b, int depth = 0);
/// -1, 0, 1; fails for values that Python does not order.
int compare(Heap& heap, const Value& a, const Value& b, std::string_view operation = "<", int depth = 0);
/// False for lists and dicts, which cannot be a dict's keys. A tuple of more than 1,000 values in all is
/// refused too: keys are compared without charge.
bool is_hashable(const Value& value);
/// Fails unless is_hashable.
void check_hashable(const Value& value);
/// len(): nullopt for what has none.
std::optional<std::int64_t> length_of(const Value& value);
/// A generator is consumed. Fails for what Python cannot iterate over.
std::vector<Value> iterate(Heap& heap, const Value& value);
/// Whether iter() would accept it.
bool is_iterable(const Value& value);
/// `item in container`.
bool contains(Heap& heap, const Value& container, const Value& item);
/// Charges for all places of `wanted` in `text`, by the worst case.
void spend_search(Heap& heap, std::string_view text, std::string_view wanted);
/// Where `wanted` first, or last, stands in `text`; npos when it does not. Charged.
std::size_t find_bytes(Heap& heap, std::string_view text, std::string_view wanted, bool from_right = false);
/// Fails with the reason why `value` is undefined, when it is.
void check_defined(const Value& value);

}  // namespace tandem::text::jinja
