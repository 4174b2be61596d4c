#include "tandem/checkpoint/json_stream.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <vector>

#include "tandem/base/error.h"

namespace tandem::checkpoint {
namespace {

constexpr std::size_t kBufferBytes = 64 << 10;
/// Of one string or number with the white space around it. The longest seen in a real header is the metadata
/// of a trainer, 300 KB.
constexpr std::uint64_t kMaxTokenBytes = 4 << 20;

/// A window that moves over a part of a file.
class FileWindow {
 public:
  FileWindow(const OpenFile& file, std::uint64_t offset, std::uint64_t size)
      : file_(file), next_(offset), end_(offset + size), buffer_(kBufferBytes) {
    fill();
  }
  bool at_end() const { return place_ == filled_; }
  char current() const { return static_cast<char>(buffer_[place_]); }
  void advance() {
    if (++since_event_ > kMaxTokenBytes) {
      throw Error(Code::kCorrupt,
                  file_.path.string() + ": a string, number or space of more than 4 MiB in its JSON");
    }
    if (++place_ == filled_) fill();
  }
  /// An event was sent: the next token begins.
  void mark_event() { since_event_ = 0; }

 private:
  void fill() {
    const std::size_t count = static_cast<std::size_t>(std::min<std::uint64_t>(buffer_.size(), end_ - next_));
    read_exactly(file_, next_, {buffer_.data(), count});
    next_ += count;
    filled_ = count;
    place_ = 0;
  }

  const OpenFile& file_;
  std::uint64_t next_, end_;
  std::vector<std::uint8_t> buffer_;
  std::size_t place_ = 0, filled_ = 0;
  std::uint64_t since_event_ = 0;
};

/// Lets nlohmann's parser read a FileWindow, which all copies of an iterator share.
struct WindowIterator {
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = char;

  FileWindow* window = nullptr;   ///< nullptr: the end

  char operator*() const { return window->current(); }
  WindowIterator& operator++() {
    window->advance();
    return *this;
  }
  WindowIterator operator++(int) { return ++*this; }
  bool is_end() const { return window == nullptr || window->at_end(); }
  bool operator==(const WindowIterator& other) const { return is_end() == other.is_end(); }
  bool operator!=(const WindowIterator& other) const { return !(*this == other); }
};

/// Passes events on and tells the window of each.
class MarkingEvents final : public nlohmann::json_sax<Json> {
 public:
  MarkingEvents(FileWindow& window, JsonEvents& events) : window_(window), events_(events) {}
  bool null() override { return marked().null(); }
  bool boolean(bool value) override { return marked().boolean(value); }
  bool number_integer(number_integer_t value) override { return marked().number_integer(value); }
  bool number_unsigned(number_unsigned_t value) override { return marked().number_unsigned(value); }
  bool number_float(number_float_t value, const string_t& text) override {
    return marked().number_float(value, text);
  }
  bool string(string_t& text) override { return marked().string(text); }
  bool binary(binary_t& bytes) override { return marked().binary(bytes); }
  bool start_object(std::size_t count) override { return marked().start_object(count); }
  bool key(string_t& name) override { return marked().key(name); }
  bool end_object() override { return marked().end_object(); }
  bool start_array(std::size_t count) override { return marked().start_array(count); }
  bool end_array() override { return marked().end_array(); }
  bool parse_error(std::size_t position, const std::string& token,
                   const nlohmann::detail::exception& error) override {
    return events_.parse_error(position, token, error);
  }

 private:
  JsonEvents& marked() {
    window_.mark_event();
    return events_;
  }

  FileWindow& window_;
  JsonEvents& events_;
};

}  // namespace

void JsonEvents::refuse(const std::string& why) const { throw Error(Code::kCorrupt, where_ + ": " + why); }

bool JsonEvents::unexpected(std::string_view what) const {
  refuse("has " + std::string(what) + " in an unexpected place");
}

bool JsonEvents::parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) {
  refuse("not valid JSON at byte " + std::to_string(position));
}

void read_json_events(const OpenFile& file, std::uint64_t offset, std::uint64_t size, JsonEvents& events) {
  FileWindow window(file, offset, size);
  MarkingEvents marking(window, events);
  Json::sax_parse(WindowIterator{&window}, WindowIterator{}, &marking);
}

}  // namespace tandem::checkpoint
