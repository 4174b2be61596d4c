// What a Link is made of. Made by connect() and Listener after the handshake.
#pragma once

#include <atomic>
#include <mutex>

#include "tandem/base/unique_fd.h"
#include "tandem/link/crypto.h"
#include "tandem/link/handshake.h"
#include "tandem/link/link.h"
#include "tandem/link/socket.h"

namespace tandem::link {

/// A socket whose two ends have proved themselves. On the wire a frame is
///   u32 payload length · u8 type · sealed payload · 16-byte tag        (the first five bytes are covered by the tag)
class Link::Impl {
 public:
  static constexpr std::size_t kHeaderBytes = 5;

  Impl(UniqueFd socket, const Handshake& handshake, FrameLimit limit, std::chrono::milliseconds send_timeout);
  ~Impl() { close(); }

  void send(std::uint8_t type, std::span<const std::span<const std::uint8_t>> parts);
  bool try_send(std::uint8_t type, std::span<const std::uint8_t> payload);
  bool receive(Frame& frame, TimePoint deadline);
  void close();
  void close_gently(TimePoint deadline);

  const Identity& peer() const { return peer_; }
  std::string peer_address() const { return to_text(peer_socket_); }
  std::string local_address() const { return to_text(local_address_of(socket_.get())); }

 private:
  using Parts = std::span<const std::span<const std::uint8_t>>;

  void send_locked(std::uint8_t type, Parts parts);
  void seal_and_write(std::uint8_t type, Parts parts, std::size_t total_bytes);
  void write_staged();
  void begin_frame();
  bool receive_into(std::span<std::uint8_t> bytes, std::size_t& num_have, TimePoint deadline);
  std::size_t read_some(std::span<std::uint8_t> bytes, TimePoint deadline);
  void open_arrived();
  void require_up();
  [[noreturn]] void fail_receiving(Code code, const std::string& why);
  [[noreturn]] void go_down(Code code, const std::string& why, int shut_how);
  std::string who() const;

  const UniqueFd socket_;
  const Identity peer_;
  const SocketAddress peer_socket_;
  const FrameLimit limit_;
  const std::chrono::milliseconds send_timeout_;

  std::mutex send_mutex_;
  FrameCipher sealer_;   ///< under send_mutex_
  Bytes staged_;         ///< sealed and not yet written; under send_mutex_

  FrameCipher opener_;   ///< this and the rest of the group belong to the receiving thread
  Bytes inbox_;          ///< read ahead, so that a small frame costs one system call
  std::size_t inbox_begin_ = 0, inbox_end_ = 0;
  std::array<std::uint8_t, kHeaderBytes> header_{};
  Frame current_;        ///< the frame that is arriving; opened in place
  FrameCipher::Tag tag_{};
  std::size_t num_header_ = 0, num_payload_ = 0, num_opened_ = 0, num_tag_ = 0;

  bool receive_failed_ = false;

  std::atomic<bool> down_{false}, closed_here_{false};
  std::mutex reason_mutex_;
  std::string reason_;   ///< why it is down, first cause; under reason_mutex_
};

}  // namespace tandem::link
