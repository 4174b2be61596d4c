#include "tandem/text/aligned_text.h"

#include "tandem/base/error.h"
#include "tandem/text/unicode.h"

namespace tandem::text {

AlignedText AlignedText::from_bytes(std::string_view bytes) {
  AlignedText text;
  if (is_valid_utf8(bytes)) {
    text.bytes_ = bytes;
    return text;
  }
  for (std::size_t at = 0; at < bytes.size();) {
    const Utf8Step step = step_utf8(bytes.substr(at));
    const bool valid = step.kind == Utf8Step::Kind::kValid;
    text.bytes_ += valid ? bytes.substr(at, step.length) : kReplacement;
    const Origin origin{static_cast<std::uint32_t>(at),
                        static_cast<std::uint32_t>(at + step.length)};
    text.origins_.resize(text.bytes_.size(), origin);
    at += step.length;
  }
  return text;
}

Range AlignedText::origin(std::size_t begin, std::size_t end) const {
  if (origins_.empty()) return {shift_ + begin, shift_ + end};
  return {origins_[begin].begin, origins_[end - 1].end};
}

AlignedText AlignedText::slice(std::size_t begin, std::size_t end) const {
  AlignedText part;
  part.bytes_ = bytes_.substr(begin, end - begin);
  part.shift_ = static_cast<std::uint32_t>(shift_ + begin);
  if (!origins_.empty()) part.origins_.assign(origins_.begin() + begin, origins_.begin() + end);
  return part;
}

void throw_too_long() {
  throw Error(Code::kResourceExhausted,
              "tokenizer.json: its normalizer makes a text more than 16 times longer; no real "
              "model's does");
}

AlignedWriter::AlignedWriter(const AlignedText& from) : from_(from) {
  to_.bytes_.reserve(from.bytes_.size());
  to_.origins_.reserve(from.bytes_.size());
}

void AlignedWriter::keep(std::size_t begin, std::size_t end) {
  to_.bytes_.append(from_.bytes_, begin, end - begin);
  if (!from_.origins_.empty()) {
    to_.origins_.insert(to_.origins_.end(), from_.origins_.begin() + begin,
                        from_.origins_.begin() + end);
    return;
  }
  for (std::size_t i = begin; i < end; ++i) {
    const auto at = static_cast<std::uint32_t>(from_.shift_ + i);
    to_.origins_.push_back({at, at + 1});
  }
}

void AlignedWriter::replace(std::size_t begin, std::size_t end, std::string_view bytes) {
  append(bytes, from_.origin(begin, end));
}

void AlignedWriter::insert(std::size_t begin, std::size_t end, std::string_view bytes) {
  append(bytes, end == 0 ? Range{} : from_.origin(begin < end ? begin : end - 1, end));
}

void AlignedWriter::append(std::string_view bytes, Range origin) {
  to_.bytes_ += bytes;
  if (to_.bytes_.size() > max_rewritten_bytes(from_.bytes_.size())) throw_too_long();
  to_.origins_.resize(to_.bytes_.size(), {static_cast<std::uint32_t>(origin.begin),
                                          static_cast<std::uint32_t>(origin.end)});
}

AlignedText AlignedWriter::finish() { return std::move(to_); }

}  // namespace tandem::text
