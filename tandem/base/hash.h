// SHA-256, HMAC and random bytes over OpenSSL; used for slices, links and cache keys.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

struct evp_md_ctx_st;

namespace tandem {

using Digest = std::array<std::uint8_t, 32>;

/// SHA-256 of bytes that arrive in pieces.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  void update(std::span<const std::uint8_t> bytes);
  void update(std::string_view text);
  /// The digest of everything so far; the object may not be used afterwards.
  Digest finish();

 private:
  struct Free { void operator()(evp_md_ctx_st* context) const; };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

Digest sha256(std::span<const std::uint8_t> bytes);
Digest hmac_sha256(std::span<const std::uint8_t> key, std::span<const std::uint8_t> bytes);

/// Lower-case hexadecimal, two characters a byte.
std::string to_hex(std::span<const std::uint8_t> bytes);
/// The bytes of `hex`; throws Error{kInvalidArgument} on odd length or other characters.
std::vector<std::uint8_t> from_hex(std::string_view hex);

/// Fills `out` from the system's cryptographic generator.
void random_bytes(std::span<std::uint8_t> out);
/// Time does not depend on where the bytes differ; false when the sizes do.
bool equal_in_constant_time(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b);

}  // namespace tandem
