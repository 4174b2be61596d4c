#include "tandem/text/jinja/text.h"

#include <algorithm>
#include <utility>

#include "tandem/text/jinja/unicode.h"

namespace tandem::text::jinja {
namespace {

bool all_ascii(std::string_view bytes) {
  unsigned char seen = 0;
  for (const char byte : bytes) seen |= static_cast<unsigned char>(byte);
  return seen < 0x80;
}

/// The first range that ends after `byte`.
std::vector<Range>::const_iterator first_ending_after(const std::vector<Range>& ranges, std::size_t byte) {
  return std::upper_bound(ranges.begin(), ranges.end(), byte,
                          [](std::size_t value, const Range& range) { return value < range.end; });
}

}  // namespace

Text::Text(std::string bytes, Origin origin) : bytes_(std::move(bytes)), is_ascii_(all_ascii(bytes_)) {
  if (origin == Origin::kRequest && !bytes_.empty()) request_.push_back({0, bytes_.size()});
}

Text::Text(std::string bytes, std::vector<Range> request)
    : bytes_(std::move(bytes)), request_(std::move(request)), is_ascii_(all_ascii(bytes_)) {}

Origin Text::origin_at(std::size_t byte) const {
  const auto range = first_ending_after(request_, byte);
  return range != request_.end() && range->begin <= byte ? Origin::kRequest : Origin::kTemplate;
}

std::size_t Text::length() const { return is_ascii_ ? bytes_.size() : count_characters(bytes_); }

std::size_t Text::offset_of(std::size_t index) const {
  if (is_ascii_) return std::min(index, bytes_.size());
  std::size_t byte = 0;
  while (index > 0 && byte < bytes_.size()) {
    byte += character_size(bytes_, byte);
    --index;
  }
  return byte;
}

Text Text::slice(std::size_t begin, std::size_t end) const {
  TextBuilder builder;
  builder.append(*this, begin, std::max(begin, end));
  Text result = builder.take();
  result.is_markup_ = is_markup_;
  return result;
}

Text Text::as_markup(bool markup) const {
  Text result = *this;
  result.is_markup_ = markup;
  return result;
}

void TextBuilder::append(std::string_view bytes, Origin origin) {
  const std::size_t begin = bytes_.size();
  bytes_.append(bytes);
  if (origin == Origin::kRequest) mark(begin, bytes_.size());
}

void TextBuilder::append(const Text& text, std::size_t begin, std::size_t end) {
  const std::size_t base = bytes_.size();
  bytes_.append(text.bytes(), begin, end - begin);
  const std::vector<Range>& ranges = text.request();
  for (auto range = first_ending_after(ranges, begin); range != ranges.end() && range->begin < end; ++range) {
    mark(base + std::max(range->begin, begin) - begin, base + std::min(range->end, end) - begin);
  }
}

void TextBuilder::mark(std::size_t begin, std::size_t end) {
  if (begin == end) return;
  if (!request_.empty() && request_.back().end == begin) {
    request_.back().end = end;
  } else {
    request_.push_back({begin, end});
  }
}

}  // namespace tandem::text::jinja
