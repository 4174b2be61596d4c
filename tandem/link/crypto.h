// The cryptography of a link over OpenSSL: key derivation, an ephemeral key exchange, and the sealing of frames. Used by
// the handshake and by Link only.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "tandem/base/bytes.h"
#include "tandem/base/hash.h"

struct evp_pkey_st;
struct evp_cipher_ctx_st;

namespace tandem::link {

using Key = std::array<std::uint8_t, 32>;

/// HKDF-SHA256's first half (RFC 5869 §2.2): a key from input whose bits are not evenly random.
Key hkdf_extract(std::span<const std::uint8_t> salt, std::span<const std::uint8_t> input);
/// HKDF-SHA256's second half (RFC 5869 §2.3) for one block: a key of its own for each `label`.
Key hkdf_expand(const Key& key, std::string_view label);

/// A fresh X25519 key pair (RFC 7748), so that a secret that leaks later opens no recorded link.
class KeyExchange {
 public:
  KeyExchange();
  ~KeyExchange();
  KeyExchange(KeyExchange&&) noexcept;
  KeyExchange& operator=(KeyExchange&&) noexcept;
  Key public_key() const;
  /// What both ends compute; throws Error{kCorrupt} when the peer's key is one of the few that give a known result.
  Key agree(const Key& peer_public_key) const;

 private:
  struct Free { void operator()(evp_pkey_st* key) const; };
  std::unique_ptr<evp_pkey_st, Free> key_;
};

/// AES-256-GCM of one direction of a link. Frames are numbered from 0 and the number is the nonce, so that a frame that is
/// repeated, left out or moved does not open. A frame is begun, passed through in pieces, and finished.
class FrameCipher {
 public:
  static constexpr std::size_t kTagBytes = 16;
  using Tag = std::array<std::uint8_t, kTagBytes>;
  enum class Direction { kSeal, kOpen };

  FrameCipher(Direction direction, const Key& key);
  ~FrameCipher();
  FrameCipher(FrameCipher&&) noexcept;
  FrameCipher& operator=(FrameCipher&&) noexcept;

  /// Starts the next frame; `header` travels in the clear and is covered by the tag.
  void begin(std::span<const std::uint8_t> header);
  /// Seals or opens the next piece of the frame. `out` has `in`'s size and may be the same memory.
  void update(std::span<const std::uint8_t> in, std::uint8_t* out);
  /// The tag of a sealed frame.
  Tag finish_sealing();
  /// Whether the opened frame is what the peer sealed; what update gave must not be used before.
  bool finish_opening(const Tag& tag);

 private:
  struct Free { void operator()(evp_cipher_ctx_st* context) const; };
  std::unique_ptr<evp_cipher_ctx_st, Free> context_;
  std::uint64_t next_frame_ = 0;
};

}  // namespace tandem::link
