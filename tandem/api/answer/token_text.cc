// Single tokens as text; see token_text.h.
#include "tandem/api/answer/token_text.h"

#include "tandem/base/json.h"
#include "tandem/base/strings.h"
#include "tandem/text/byte_alphabet.h"

namespace tandem::api {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

/// The size of the UTF-8 character at the beginning of `text` and its value; size 0 when it is not
/// one.
struct Character {
  std::size_t size = 0;
  char32_t value = 0;
};

Character first_character(std::string_view text) {
  if (text.empty()) return {};
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return {1, lead};
  const std::size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < size) return {};
  char32_t value = lead & (0x7Fu >> size);
  for (std::size_t i = 1; i < size; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xC0) != 0x80) return {};
    value = (value << 6) | (next & 0x3F);
  }
  constexpr char32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  const bool is_surrogate = value >= 0xD800 && value <= 0xDFFF;
  if (value < kSmallest[size] || value > 0x10FFFF || is_surrogate) return {};
  return {size, value};
}

/// The byte of a byte-fallback token: "<0x0A>".
std::optional<char> fallback_byte(std::string_view spelling) {
  if (spelling.size() != 6 || spelling.substr(0, 3) != "<0x" || spelling[5] != '>')
    return std::nullopt;
  const auto digit = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  };
  const int high = digit(spelling[3]), low = digit(spelling[4]);
  if (high < 0 || low < 0) return std::nullopt;
  return static_cast<char>(high * 16 + low);
}

/// The bytes that a byte-level spelling stands for; nullopt if it is not one.
std::optional<std::string> byte_level_bytes(std::string_view spelling) {
  std::string bytes;
  while (!spelling.empty()) {
    const Character c = first_character(spelling);
    const auto byte = c.size > 0 ? text::character_byte(c.value) : std::nullopt;
    if (!byte) return std::nullopt;
    bytes += *byte;
    spelling.remove_prefix(c.size);
  }
  return bytes;
}

}  // namespace

TokenText::TokenText(const text::Tokenizer& tokenizer) : tokenizer_(tokenizer) {
  for (const char* spelling : {"a",
                               "\xE2\x96\x81"
                               "a",
                               "0", "."}) {
    if ((anchor_ = tokenizer.id(spelling))) break;
  }
  if (anchor_) anchor_text_ = tokenizer.decode({{*anchor_}}, /*skip_special_tokens=*/false);
}

std::string TokenText::bytes(text::TokenId id) const {
  std::string decoded;
  if (anchor_) {
    const text::TokenId pair[] = {*anchor_, id};
    decoded = tokenizer_.decode(pair, /*skip_special_tokens=*/false);
    if (decoded.compare(0, anchor_text_.size(), anchor_text_) == 0) {
      decoded.erase(0, anchor_text_.size());
      return raw_bytes(id, decoded);
    }
  }
  decoded = tokenizer_.decode({{id}}, /*skip_special_tokens=*/false);
  return raw_bytes(id, decoded);
}

std::string TokenText::raw_bytes(text::TokenId id, std::string_view decoded) const {
  if (decoded.find(kReplacement) == std::string_view::npos) return std::string(decoded);
  // Half a character, which only the spelling still knows, or a token that really is U+FFFD.
  const std::string spelling = tokenizer_.token(id).value_or("");
  if (const auto byte = fallback_byte(spelling)) return std::string(1, *byte);
  return byte_level_bytes(spelling).value_or(std::string(decoded));
}

bool is_utf8(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t size = first_character(bytes).size;
    if (size == 0) return false;
    bytes.remove_prefix(size);
  }
  return true;
}

std::int64_t count_characters(std::string_view text) {
  std::int64_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return count;
}

std::string printable(std::string_view bytes) {
  std::string text;
  while (!bytes.empty()) {
    const std::size_t size = first_character(bytes).size;
    text += size > 0 ? bytes.substr(0, size) : kReplacement;
    bytes.remove_prefix(std::max<std::size_t>(size, 1));
  }
  return text;
}

std::string legacy_name(std::string_view bytes) {
  if (is_utf8(bytes)) return std::string(bytes);
  std::string name = "bytes:";
  for (const char c : bytes) name += format("\\x%02x", static_cast<unsigned char>(c));
  return name;
}

}  // namespace tandem::api
