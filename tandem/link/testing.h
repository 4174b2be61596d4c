// What the tests of this room share: two ends of a link, bytes, and a deadline for everything.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <string>
#include <string_view>

#include "tandem/base/error.h"
#include "tandem/link/handshake.h"
#include "tandem/link/link.h"
#include "tandem/link/link_impl.h"

namespace tandem::link {

/// Long enough for a machine that runs other tests beside this one.
inline constexpr std::chrono::seconds kSoon{20};

inline std::chrono::steady_clock::time_point now() { return std::chrono::steady_clock::now(); }
inline std::chrono::steady_clock::time_point soon() { return now() + kSoon; }

inline Bytes text_bytes(std::string_view text) { return Bytes(text.begin(), text.end()); }

/// Bytes that repeat late enough for a shifted piece to show.
inline Bytes patterned_bytes(std::size_t size) {
  Bytes bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(i * 31 + (i >> 8) * 7 + (i >> 16));
  return bytes;
}

inline Secret secret_of(std::uint8_t fill) { return Secret{Bytes(16, fill)}; }

inline Identity identity_of(Role role, const std::string& name) {
  Identity identity = this_identity(role);
  identity.name = name;
  return identity;
}

inline std::size_t any_size(std::uint8_t) { return std::size_t{64} << 20; }

struct LinkPair {
  Link connecting, accepting;
};

/// A place for a unix socket that no other test takes.
inline std::string fresh_unix_address() {
  static std::atomic<int> counter{0};
  return "unix:" + ::testing::TempDir() + "tandem-" + std::to_string(::getpid()) + "-" + std::to_string(++counter);
}

/// Both ends of a link through a listener on `address` ("unix": on a fresh path) that is gone again afterwards.
inline LinkPair linked_pair(std::string address, std::chrono::milliseconds send_timeout = kSoon,
                          const FrameLimit& accepting_limit = any_size) {
  if (address == "unix") address = fresh_unix_address();
  ListenOptions listen;
  listen.frame_limit = accepting_limit;
  listen.send_timeout = send_timeout;
  listen.handshake_timeout = kSoon;
  Listener listener(address, 0, secret_of(1), identity_of(Role::kHead, "mini1"), listen);
  ConnectOptions options;
  options.frame_limit = any_size;
  options.send_timeout = send_timeout;
  options.handshake_timeout = kSoon;
  Link connecting =
      connect(address, listener.port(), secret_of(1), identity_of(Role::kAgent, "mini2"), options);
  std::optional<Link> accepting = listener.accept(soon());
  if (!accepting) throw Error(Code::kInternal, "the listener handed over no link");
  return {std::move(connecting), std::move(*accepting)};
}

inline Frame receive_soon(Link& link) {
  std::optional<Frame> frame = link.receive(soon());
  if (!frame) throw Error(Code::kInternal, "no frame came");
  return std::move(*frame);
}

/// One end of a socket pair as a Link, the other as bare bytes with the peer's sealing key.
struct Wire {
  Link link;
  UniqueFd bare;
  FrameCipher sealer;
};

inline Wire make_wire(const FrameLimit& limit) {
  Handshake connecting(Side::kConnecting, secret_of(1), identity_of(Role::kAgent, "mini2"));
  Handshake accepting(Side::kAccepting, secret_of(1), identity_of(Role::kHead, "mini1"));
  const auto carry = [](Handshake& from, Handshake& to) {
    Bytes bytes = from.take_output();
    for (std::span<const std::uint8_t> left = bytes; !left.empty();) {
      const std::size_t count = to.wanted();
      to.feed(left.first(count));
      left = left.subspan(count);
    }
  };
  carry(connecting, accepting);
  carry(accepting, connecting);
  carry(connecting, accepting);
  carry(accepting, connecting);
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) throw Error(Code::kIo, "socketpair");
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  FrameCipher sealer(FrameCipher::Direction::kSeal, connecting.keys().to_send);
  return {Link(std::make_unique<Link::Impl>(UniqueFd(ends[0]), accepting, limit, kSoon)), UniqueFd(ends[1]),
          std::move(sealer)};
}

/// The error that `action` throws; a test failure when it throws none.
template <typename Action>
Error error_of(Action action) {
  try {
    action();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error was thrown";
  return Error(Code::kInternal, "no error was thrown");
}

}  // namespace tandem::link
