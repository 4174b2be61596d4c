// Bounded JSON reading and field access; see json_body.h.
#include "tandem/api/json_body.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <vector>

#include "tandem/api/api_error.h"
#include "tandem/base/strings.h"

namespace tandem::api {
namespace {

constexpr std::size_t kMaxShownKey = 64;

/// nlohmann's SAX events into a Json, knowing at any moment which field is being read.
class BodyBuilder {
 public:
  explicit BodyBuilder(const BodyLimits& limits) : limits_(limits) {}

  Json take() { return std::move(root_); }

  bool null() { return add(nullptr); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(Json::number_integer_t value) { return add(value); }
  bool number_unsigned(Json::number_unsigned_t value) { return add(value); }
  bool number_float(Json::number_float_t value, const std::string&) { return add(value); }
  bool string(std::string& value) { return add(std::move(value)); }
  bool binary(Json::binary_t&) { return false; }  // does not occur in JSON text

  bool start_object(std::size_t) { return open(Json::object()); }
  bool start_array(std::size_t) { return open(Json::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }

  bool key(std::string& key) {
    Frame& frame = frames_.back();
    frame.key = key;
    if (++num_keys_ > limits_.max_keys)
      fail("more than " + std::to_string(limits_.max_keys) + " keys");
    if (frame.container->contains(key)) fail("this key occurs twice");
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& e) {
    const std::string_view what = e.what();
    const auto says = [&](std::string_view words) {
      return what.find(words) != std::string_view::npos;
    };
    std::string reason = "not valid JSON";
    if (e.id == 406) {
      reason = "this number is out of range";
    } else if (says("ill-formed UTF-8")) {
      reason = "invalid UTF-8";
    } else if (says("surrogate")) {
      reason = "a \\u escape that is half of a surrogate pair";
    }
    fail(reason + " (byte " + std::to_string(position) + ")");
  }

 private:
  struct Frame {
    Json* container;
    std::string key;  ///< of the member being read; unused in arrays
  };

  Json* place(Json&& value) {
    if (++num_values_ > limits_.max_values)
      fail("more than " + std::to_string(limits_.max_values) + " values");
    if (frames_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Frame& frame = frames_.back();
    if (frame.container->is_array()) {
      frame.container->push_back(std::move(value));
      return &frame.container->back();
    }
    return &((*frame.container)[frame.key] = std::move(value));
  }

  bool add(Json&& value) {
    place(std::move(value));
    return true;
  }

  bool open(Json&& container) {
    if (frames_.size() >= static_cast<std::size_t>(limits_.max_depth)) {
      fail("nested deeper than " + std::to_string(limits_.max_depth) + " levels");
    }
    if (++num_containers_ > limits_.max_containers) {
      fail("more than " + std::to_string(limits_.max_containers) + " arrays and objects");
    }
    frames_.push_back({place(std::move(container)), {}});
    return true;
  }

  bool close() {
    frames_.pop_back();
    return true;
  }

  std::string path() const {
    std::string path;
    for (const Frame& frame : frames_) {
      if (frame.container->is_array()) {
        // An open container is already its parent's last element; a scalar being read is not.
        path = element_path(path, frame.container->size() - (&frame == &frames_.back() ? 0 : 1));
      } else if (!frame.key.empty()) {
        path = member_path(path, frame.key);
      }
    }
    // Deep nesting makes long paths; the beginning says where to look.
    return path.size() <= 256 ? path : path.substr(0, 256) + "…";
  }

  [[noreturn]] void fail(const std::string& reason) const {
    const std::string where = path();
    throw invalid_request((where.empty() ? "The request body" : where) + ": " + reason + ".",
                          where);
  }

  const BodyLimits& limits_;
  Json root_;
  std::vector<Frame> frames_;
  std::size_t num_values_ = 0, num_containers_ = 0, num_keys_ = 0;
};

std::string show_number(double value) {
  return std::floor(value) == value && std::abs(value) < 1e15
             ? std::to_string(static_cast<std::int64_t>(value))
             : format("%g", value);
}

}  // namespace

std::string member_path(const std::string& parent, std::string_view key) {
  const bool plain = !key.empty() && key.size() <= kMaxShownKey &&
                     std::all_of(key.begin(), key.end(), [](unsigned char c) {
                       return std::isalnum(c) || c == '_' || c == '-';
                     });
  // Dumped, so that line breaks reach no log and a cut character no client.
  if (!plain) return parent + "[" + dump_json(Json(key.substr(0, kMaxShownKey))) + "]";
  return parent.empty() ? std::string(key) : parent + "." + std::string(key);
}

std::string element_path(const std::string& parent, std::size_t index) {
  return parent + "[" + std::to_string(index) + "]";
}

Json parse_body(std::string_view text, const BodyLimits& limits) {
  if (trim(text).empty())
    throw invalid_request("The request body is empty; a JSON object is expected.");
  BodyBuilder builder(limits);
  Json::sax_parse(text, &builder);
  Json body = builder.take();
  if (!body.is_object()) throw invalid_request("The request body must be a JSON object.");
  return body;
}

Field Field::operator[](std::string_view key) const {
  if (!value_) return Field(nullptr, member_path(path_, key));
  if (!value_->is_object()) fail("must be an object");
  const auto found = value_->find(std::string(key));
  return Field(found == value_->end() ? nullptr : &*found, member_path(path_, key));
}

Field Field::at(std::size_t index) const {
  return Field(&(*value_)[index], element_path(path_, index));
}

std::size_t Field::array_size(std::size_t max) const {
  if (!is_array()) fail("must be an array");
  if (value_->size() > max)
    fail("has " + std::to_string(value_->size()) + " elements; at most " + std::to_string(max) +
         " are allowed");
  return value_->size();
}

bool Field::as_bool() const {
  if (!value_ || !value_->is_boolean()) fail("must be true or false");
  return value_->get<bool>();
}

double Field::as_number(const NumberRange& range) const {
  if (!value_ || !value_->is_number()) fail("must be a number");
  const double number = value_->get<double>();
  const bool above_min = range.open_min ? number > range.min : number >= range.min;
  if (!std::isfinite(number) || !above_min || number > range.max) {
    fail("must be in " + std::string(range.open_min ? "(" : "[") + show_number(range.min) + ", " +
         show_number(range.max) + "]");
  }
  return number;
}

std::int64_t Field::as_integer(std::int64_t min, std::int64_t max) const {
  if (!value_ || !value_->is_number()) fail("must be a whole number");
  const std::string bounds =
      "must be a whole number from " + std::to_string(min) + " to " + std::to_string(max);
  if (value_->is_number_float()) {
    const double number = value_->get<double>();
    // Beyond 2^53 a double no longer says which whole number was meant.
    if (!(std::abs(number) <= 9007199254740992.0) || std::floor(number) != number) fail(bounds);
    const auto whole = static_cast<std::int64_t>(number);
    if (whole < min || whole > max) fail(bounds);
    return whole;
  }
  if (value_->is_number_unsigned() &&
      value_->get<std::uint64_t>() > static_cast<std::uint64_t>(INT64_MAX))
    fail(bounds);
  const auto whole = value_->get<std::int64_t>();
  if (whole < min || whole > max) fail(bounds);
  return whole;
}

const std::string& Field::as_string(std::size_t max_bytes) const {
  if (!is_string()) fail("must be a string");
  const auto& text = value_->get_ref<const std::string&>();
  if (text.size() > max_bytes) fail("is longer than " + std::to_string(max_bytes) + " bytes");
  return text;
}

void Field::fail(const std::string& sentence) const {
  throw invalid_request((path_.empty() ? "The request body" : path_) + ": " + sentence + ".",
                        path_);
}

}  // namespace tandem::api
