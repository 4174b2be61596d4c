// The handshake of a link as a state machine without sockets: hello both ways in the clear, then a proof of the secret
// both ways. connect() and Listener feed it bytes; tests and fuzzers do the same.
//
//   connecting                              accepting
//   hello ────────────────────────────────▶ (nothing is computed or said before a well-formed hello)
//         ◀──────────────────────────────── hello
//   proof ────────────────────────────────▶ checked first, so a stranger gets no proof from us
//         ◀──────────────────────────────── proof, or refused
//
// Everything is derived from one key: HKDF(salt = SHA-256 of both hellos, input = secret + X25519 result). The hellos
// carry both nonces, roles and versions, so a bit changed anywhere, a replayed capture or an old nonce gives another key;
// each direction has labels of its own, so a reflected message proves nothing.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <utility>

#include "tandem/base/bytes.h"
#include "tandem/link/crypto.h"
#include "tandem/link/link.h"

namespace tandem::link {

enum class Side { kConnecting, kAccepting };

/// The keys under which the two ends seal their frames.
struct SessionKeys {
  Key to_send, to_receive;
};

/// One end of one handshake. Errors are thrown by `feed`; whatever `take_output` then still holds is meant for the peer
/// (the reason in a form that it understands) and is sent before the connection is closed.
class Handshake {
 public:
  Handshake(Side side, const Secret& secret, const Identity& self);

  /// Bytes for the peer; empty when there are none.
  Bytes take_output() { return std::exchange(output_, {}); }
  /// How many bytes `feed` wants next; 0 once finished. Never more than kMaxMessageBytes; reading no further leaves
  /// the frames that follow to Link.
  std::size_t wanted() const { return wanted_; }
  /// Exactly `wanted()` bytes. Throws Error: kUnauthenticated (the secrets differ), kMismatch (another protocol, both versions
  /// named), kCorrupt (not a handshake of tandem).
  void feed(std::span<const std::uint8_t> bytes);

  bool finished() const { return state_ == State::kFinished; }
  /// True once the peer has sent a well-formed hello: no longer a mere stranger.
  bool peer_introduced() const { return state_ != State::kHelloHeader && state_ != State::kHelloBody; }
  /// What the peer says of itself; to be believed only once finished.
  const Identity& peer() const { return peer_; }
  const SessionKeys& keys() const { return keys_; }

  static constexpr std::size_t kMaxMessageBytes = 1024;

 private:
  enum class State { kHelloHeader, kHelloBody, kProof, kFinished };

  void say_hello();
  void read_header(std::span<const std::uint8_t> bytes);
  void read_body(std::span<const std::uint8_t> bytes);
  void derive_keys();
  void read_proof(std::span<const std::uint8_t> bytes);
  void say(std::uint8_t kind, const Key& content);

  Side side_;
  Secret secret_;
  Identity self_, peer_;
  State state_ = State::kHelloHeader;
  std::size_t wanted_;
  Bytes output_;
  std::optional<KeyExchange> exchange_;  ///< made with our hello; a stranger's garbage does not cost a key
  Bytes own_hello_, peer_hello_;
  std::uint16_t peer_version_ = 0;
  Key peer_public_{};
  Key own_proof_{}, expected_proof_{};
  SessionKeys keys_{};
};

}  // namespace tandem::link
