// Text that knows which of its bytes came from a request. Every string of the Jinja interpreter is one of
// these, so that the rendered prompt can tell a template's control tokens from a client's words.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "tandem/text/tokenizer.h"

namespace tandem::text::jinja {

/// Where bytes came from. What derives from request data is kRequest; the words of the template are kTemplate.
enum class Origin : unsigned char { kTemplate, kRequest };

/// Immutable UTF-8 with the ranges that came from a request.
class Text {
 public:
  Text() = default;
  explicit Text(std::string bytes, Origin origin = Origin::kTemplate);
  /// `request`: sorted, disjoint, not touching, inside `bytes`.
  Text(std::string bytes, std::vector<Range> request);

  const std::string& bytes() const { return bytes_; }
  std::string_view view() const { return bytes_; }
  std::size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }
  const std::vector<Range>& request() const { return request_; }
  /// True when any byte came from a request.
  bool has_request() const { return !request_.empty(); }
  /// kRequest when any byte did: what a value computed from the whole text gets.
  Origin origin() const { return has_request() ? Origin::kRequest : Origin::kTemplate; }
  Origin origin_at(std::size_t byte) const;
  /// One byte is one character: offsets need no walk.
  bool is_ascii() const { return is_ascii_; }
  /// Number of Unicode characters.
  std::size_t length() const;
  /// The byte at which character number `index` begins; size() past the end.
  std::size_t offset_of(std::size_t index) const;
  /// Bytes [begin, end) with their origins.
  Text slice(std::size_t begin, std::size_t end) const;
  /// Result of the `safe` and `escape` filters, markupsafe's Markup: joining it to plain text escapes the
  /// latter.
  bool is_markup() const { return is_markup_; }
  Text as_markup(bool markup) const;
  /// Calls `visit(begin, end, origin)` for each stretch of bytes of one origin, in order.
  template <typename Visit>
  void for_each_run(Visit visit) const {
    std::size_t place = 0;
    for (const Range& range : request_) {
      if (place < range.begin) visit(place, range.begin, Origin::kTemplate);
      visit(range.begin, range.end, Origin::kRequest);
      place = range.end;
    }
    if (place < bytes_.size()) visit(place, bytes_.size(), Origin::kTemplate);
  }
  bool operator==(const Text& other) const { return bytes_ == other.bytes_; }

 private:
  std::string bytes_;
  std::vector<Range> request_;
  bool is_ascii_ = true;
  bool is_markup_ = false;
};

/// Puts a Text together from pieces; neighbouring pieces of one origin share a range.
class TextBuilder {
 public:
  void append(std::string_view bytes, Origin origin = Origin::kTemplate);
  void append(const Text& text) { append(text, 0, text.size()); }
  /// Bytes [begin, end) of `text` with their origins.
  void append(const Text& text, std::size_t begin, std::size_t end);
  std::size_t size() const { return bytes_.size(); }
  const std::string& bytes() const { return bytes_; }
  Text take() { return Text(std::move(bytes_), std::move(request_)); }

 private:
  void mark(std::size_t begin, std::size_t end);

  std::string bytes_;
  std::vector<Range> request_;
};

}  // namespace tandem::text::jinja
