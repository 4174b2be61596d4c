#include "tandem/text/byte_alphabet.h"

#include <array>

namespace tandem::text {
namespace {

constexpr bool is_printable(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

/// Printable bytes stand for themselves, the other 68 are U+0100 and on, in order.
struct Alphabet {
  std::array<char32_t, 256> characters{};
  std::array<int, 256 + 68> bytes{};               ///< by character; -1: none
  std::array<std::array<char, 2>, 256> encoded{};  ///< characters in UTF-8
  std::array<std::size_t, 256> lengths{};

  constexpr Alphabet() {
    for (int& byte : bytes) byte = -1;
    char32_t next = 256;
    for (int byte = 0; byte < 256; ++byte) {
      const char32_t c = is_printable(byte) ? static_cast<char32_t>(byte) : next++;
      characters[byte] = c;
      bytes[c] = byte;
      lengths[byte] = c < 0x80 ? 1 : 2;
      encoded[byte][0] = static_cast<char>(c < 0x80 ? c : 0xC0 | c >> 6);
      encoded[byte][1] = static_cast<char>(0x80 | (c & 0x3F));
    }
  }
};

constexpr Alphabet kAlphabet;

}  // namespace

std::string_view byte_character(char byte) {
  const auto index = static_cast<unsigned char>(byte);
  return {kAlphabet.encoded[index].data(), kAlphabet.lengths[index]};
}

std::optional<char> character_byte(char32_t c) {
  if (c >= kAlphabet.bytes.size() || kAlphabet.bytes[c] < 0) return std::nullopt;
  return static_cast<char>(kAlphabet.bytes[c]);
}

}  // namespace tandem::text
