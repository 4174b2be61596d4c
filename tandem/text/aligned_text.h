// A text that remembers which bytes of the original each of its bytes came from. Made by the
// tokenizer, rewritten by normalizers, read where added tokens are matched.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tandem/text/tokenizer.h"

namespace tandem::text {

/// Valid UTF-8 with its origin. While nothing was rewritten the origin is a plain shift and costs
/// nothing.
class AlignedText {
 public:
  AlignedText() = default;
  /// Repairs invalid UTF-8: every maximal subpart becomes U+FFFD.
  static AlignedText from_bytes(std::string_view bytes);

  const std::string& bytes() const { return bytes_; }
  bool empty() const { return bytes_.empty(); }
  /// The bytes of the original that [begin, end) came from; begin < end.
  Range origin(std::size_t begin, std::size_t end) const;
  AlignedText slice(std::size_t begin, std::size_t end) const;

 private:
  friend class AlignedWriter;
  struct Origin {
    std::uint32_t begin, end;
  };
  std::string bytes_;
  std::vector<Origin> origins_;  ///< one per byte; empty: byte i came from shift_ + i
  std::uint32_t shift_ = 0;
};

/// How long a text of `size` bytes may become by rewriting. No normal form needs more than 11 bytes
/// for one.
constexpr std::size_t max_rewritten_bytes(std::size_t size) { return 16 * size + (64 << 10); }
[[noreturn]] void throw_too_long();

/// Writes the successor of a text, front to back. Throws Error{kResourceExhausted} when that grows
/// past its bound.
class AlignedWriter {
 public:
  explicit AlignedWriter(const AlignedText& from);
  /// Bytes [begin, end) of the old text, as they are.
  void keep(std::size_t begin, std::size_t end);
  /// `bytes` in place of [begin, end) of the old text; begin < end.
  void replace(std::size_t begin, std::size_t end, std::string_view bytes);
  /// `bytes` in place of [begin, end), which may be empty, of the old text; where that is empty,
  /// they come from the byte before.
  void insert(std::size_t begin, std::size_t end, std::string_view bytes);
  AlignedText finish();

 private:
  void append(std::string_view bytes, Range origin);
  const AlignedText& from_;
  AlignedText to_;
};

}  // namespace tandem::text
