#include "tandem/link/handshake.h"

#include <algorithm>

#include "tandem/base/error.h"

namespace tandem::link {
namespace {

// The header and the name at the start of the body keep their form in every protocol version to come, so that two
// versions can tell each other apart and say so.
constexpr std::array<std::uint8_t, 8> kMagic{'T', 'A', 'N', 'D', 'E', 'M', '\r', '\n'};
constexpr std::size_t kHeaderBytes = kMagic.size() + 2 + 2;  // magic, version, body length
constexpr std::size_t kNonceBytes = 32;
constexpr std::size_t kMaxTextBytes = 64;
constexpr std::size_t kProofBytes = 1 + 32;  // kind, proof
constexpr std::uint8_t kKindProof = 1, kKindWrongSecret = 2;

/// Text that a stranger may have written and that reaches terminals and logs: printable ASCII only.
std::string get_text(ByteReader& reader) {
  std::string text = reader.get_string(kMaxTextBytes);
  if (!std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; })) {
    throw Error(Code::kCorrupt, "hello: text with control characters");
  }
  return text;
}

std::string versions_differ(const std::string& peer_name, std::uint16_t peer_version) {
  return "this machine speaks link protocol " + std::to_string(kProtocolVersion) + ", " +
         (peer_name.empty() ? "the other" : peer_name) + " speaks " + std::to_string(peer_version) +
         ": install the same tandem on both";
}

}  // namespace

Handshake::Handshake(Side side, const Secret& secret, const Identity& self)
    : side_(side), secret_(secret), self_(self), wanted_(kHeaderBytes) {
  if (side_ == Side::kConnecting) say_hello();
}

void Handshake::feed(std::span<const std::uint8_t> bytes) {
  if (bytes.size() != wanted_) throw Error(Code::kInternal, "handshake: fed another size than wanted");
  switch (state_) {
    case State::kHelloHeader: return read_header(bytes);
    case State::kHelloBody: return read_body(bytes);
    case State::kProof: return read_proof(bytes);
    case State::kFinished: return;
  }
}

void Handshake::say_hello() {
  exchange_.emplace();
  std::array<std::uint8_t, kNonceBytes> nonce;
  random_bytes(nonce);
  ByteWriter body;
  body.put_string(self_.name);
  body.put(self_.role);
  body.put_raw(nonce);
  body.put_raw(exchange_->public_key());
  for (const std::string* text : {&self_.tandem_version, &self_.torch_version, &self_.os, &self_.arch}) {
    body.put_string(*text);
  }
  ByteWriter hello;
  hello.put_raw(kMagic);
  hello.put(kProtocolVersion);
  hello.put(static_cast<std::uint16_t>(body.size()));
  hello.put_raw(body.take());
  own_hello_ = hello.take();
  output_ = own_hello_;
}

void Handshake::read_header(std::span<const std::uint8_t> bytes) {
  ByteReader reader(bytes, "hello");
  if (!std::ranges::equal(reader.take(kMagic.size()), kMagic)) {
    throw Error(Code::kCorrupt, "what answers there is not tandem");
  }
  peer_version_ = reader.get<std::uint16_t>();
  const std::size_t body_bytes = reader.get<std::uint16_t>();
  if (body_bytes == 0 || body_bytes > kMaxMessageBytes) throw Error(Code::kCorrupt, "hello: wrong size");
  peer_hello_.assign(bytes.begin(), bytes.end());
  wanted_ = body_bytes;
  state_ = State::kHelloBody;
}

void Handshake::read_body(std::span<const std::uint8_t> bytes) {
  peer_hello_.insert(peer_hello_.end(), bytes.begin(), bytes.end());
  ByteReader reader(bytes, "hello");
  peer_.name = get_text(reader);
  if (peer_version_ != kProtocolVersion) {
    if (side_ == Side::kAccepting) say_hello();
    throw Error(Code::kMismatch, versions_differ(peer_.name, peer_version_));
  }
  peer_.role = reader.get_enum(Role::kDoctor);
  reader.take(kNonceBytes);  // it counts as part of the hello that salts the key
  std::ranges::copy(reader.take(peer_public_.size()), peer_public_.begin());
  for (std::string* text : {&peer_.tandem_version, &peer_.torch_version, &peer_.os, &peer_.arch}) {
    *text = get_text(reader);
  }
  reader.expect_end();
  if (side_ == Side::kAccepting) say_hello();
  if (own_hello_ == peer_hello_) throw Error(Code::kCorrupt, "handshake: our own hello came back");
  derive_keys();
  if (side_ == Side::kConnecting) say(kKindProof, own_proof_);
  wanted_ = kProofBytes;
  state_ = State::kProof;
}

void Handshake::derive_keys() {
  const bool connecting = side_ == Side::kConnecting;
  Sha256 transcript;
  transcript.update("tandem link hellos");
  transcript.update(connecting ? own_hello_ : peer_hello_);
  transcript.update(connecting ? peer_hello_ : own_hello_);
  const Key shared = exchange_->agree(peer_public_);
  ByteWriter input;
  input.put(static_cast<std::uint32_t>(secret_.bytes.size()));
  input.put_raw(secret_.bytes);
  input.put_raw(shared);
  const Key session = hkdf_extract(transcript.finish(), input.take());
  const Key connecting_proof = hkdf_expand(session, "tandem link proof of the connecting side");
  const Key accepting_proof = hkdf_expand(session, "tandem link proof of the accepting side");
  const Key from_connecting = hkdf_expand(session, "tandem link frames of the connecting side");
  const Key from_accepting = hkdf_expand(session, "tandem link frames of the accepting side");
  own_proof_ = connecting ? connecting_proof : accepting_proof;
  expected_proof_ = connecting ? accepting_proof : connecting_proof;
  keys_ = connecting ? SessionKeys{from_connecting, from_accepting} : SessionKeys{from_accepting, from_connecting};
}

void Handshake::read_proof(std::span<const std::uint8_t> bytes) {
  const std::uint8_t kind = bytes[0];
  if (kind == kKindWrongSecret && side_ == Side::kConnecting) {
    throw Error(Code::kUnauthenticated, "the secrets differ");
  }
  if (kind != kKindProof || !equal_in_constant_time(bytes.subspan(1), expected_proof_)) {
    if (side_ == Side::kAccepting) say(kKindWrongSecret, Key{});
    throw Error(Code::kUnauthenticated, "the secrets differ");
  }
  if (side_ == Side::kAccepting) say(kKindProof, own_proof_);
  wanted_ = 0;
  state_ = State::kFinished;
}

void Handshake::say(std::uint8_t kind, const Key& content) {
  output_.push_back(kind);
  output_.insert(output_.end(), content.begin(), content.end());
}

}  // namespace tandem::link
