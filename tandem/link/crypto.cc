#include "tandem/link/crypto.h"

#include <openssl/evp.h>

#include "tandem/base/error.h"

namespace tandem::link {
namespace {

void check(bool ok, const char* what) {
  if (!ok) throw Error(Code::kInternal, std::string("OpenSSL: ") + what + " failed");
}

using ContextPtr = std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)>;

}  // namespace

Key hkdf_extract(std::span<const std::uint8_t> salt, std::span<const std::uint8_t> input) {
  return hmac_sha256(salt, input);
}

Key hkdf_expand(const Key& key, std::string_view label) {
  ByteWriter block;
  block.put_raw({reinterpret_cast<const std::uint8_t*>(label.data()), label.size()});
  block.put(std::uint8_t{1});
  return hmac_sha256(key, block.take());
}

void KeyExchange::Free::operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }

KeyExchange::KeyExchange() {
  const ContextPtr context(EVP_PKEY_CTX_new_id(EVP_PKEY_X25519, nullptr), EVP_PKEY_CTX_free);
  EVP_PKEY* key = nullptr;
  check(context && EVP_PKEY_keygen_init(context.get()) == 1 && EVP_PKEY_keygen(context.get(), &key) == 1,
        "X25519 key generation");
  key_.reset(key);
}
KeyExchange::~KeyExchange() = default;
KeyExchange::KeyExchange(KeyExchange&&) noexcept = default;
KeyExchange& KeyExchange::operator=(KeyExchange&&) noexcept = default;

Key KeyExchange::public_key() const {
  Key bytes;
  std::size_t size = bytes.size();
  check(EVP_PKEY_get_raw_public_key(key_.get(), bytes.data(), &size) == 1 && size == bytes.size(),
        "X25519 public key");
  return bytes;
}

Key KeyExchange::agree(const Key& peer_public_key) const {
  const std::unique_ptr<EVP_PKEY, Free> peer(EVP_PKEY_new_raw_public_key(
      EVP_PKEY_X25519, nullptr, peer_public_key.data(), peer_public_key.size()));
  const ContextPtr context(EVP_PKEY_CTX_new(key_.get(), nullptr), EVP_PKEY_CTX_free);
  check(peer && context && EVP_PKEY_derive_init(context.get()) == 1, "X25519");
  Key shared;
  std::size_t size = shared.size();
  // Points of small order give all zeros, which OpenSSL reports as a failure.
  if (EVP_PKEY_derive_set_peer(context.get(), peer.get()) != 1 ||
      EVP_PKEY_derive(context.get(), shared.data(), &size) != 1 || size != shared.size()) {
    throw Error(Code::kCorrupt, "handshake: not a usable X25519 key");
  }
  return shared;
}

void FrameCipher::Free::operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }

FrameCipher::FrameCipher(Direction direction, const Key& key) : context_(EVP_CIPHER_CTX_new()) {
  check(context_ && EVP_CipherInit_ex(context_.get(), EVP_aes_256_gcm(), nullptr, key.data(), nullptr,
                                      direction == Direction::kSeal ? 1 : 0) == 1,
        "AES-256-GCM");
}
FrameCipher::~FrameCipher() = default;
FrameCipher::FrameCipher(FrameCipher&&) noexcept = default;
FrameCipher& FrameCipher::operator=(FrameCipher&&) noexcept = default;

void FrameCipher::begin(std::span<const std::uint8_t> header) {
  // GCM must never see a nonce twice under one key: each direction has its own key, and 2^64 frames are never reached.
  std::array<std::uint8_t, 12> nonce{};
  std::memcpy(nonce.data() + 4, &next_frame_, sizeof(next_frame_));
  ++next_frame_;
  int size = 0;
  check(EVP_CipherInit_ex(context_.get(), nullptr, nullptr, nullptr, nonce.data(), -1) == 1 &&
            EVP_CipherUpdate(context_.get(), nullptr, &size, header.data(),
                             static_cast<int>(header.size())) == 1,
        "AES-256-GCM");
}

void FrameCipher::update(std::span<const std::uint8_t> in, std::uint8_t* out) {
  int size = 0;
  check(EVP_CipherUpdate(context_.get(), out, &size, in.data(), static_cast<int>(in.size())) == 1 &&
            size == static_cast<int>(in.size()),
        "AES-256-GCM");
}

FrameCipher::Tag FrameCipher::finish_sealing() {
  Tag tag;
  int size = 0;
  check(EVP_CipherFinal_ex(context_.get(), tag.data(), &size) == 1 &&
            EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_GET_TAG, kTagBytes, tag.data()) == 1,
        "AES-256-GCM");
  return tag;
}

bool FrameCipher::finish_opening(const Tag& tag) {
  Tag expected = tag;
  check(EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_SET_TAG, kTagBytes, expected.data()) == 1,
        "AES-256-GCM");
  std::uint8_t nothing[kTagBytes];
  int size = 0;
  return EVP_CipherFinal_ex(context_.get(), nothing, &size) == 1;
}

}  // namespace tandem::link
