#include "tandem/link/link.h"

#include <algorithm>
#include <cerrno>
#include <limits>

#include "tandem/base/clock.h"
#include "tandem/base/error.h"
#include "tandem/base/strings.h"
#include "tandem/link/link_impl.h"

namespace tandem::link {
namespace {

// Sealing goes through a buffer that stays in the L2 cache; a frame of any size needs no copy of its own.
constexpr std::size_t kStageBytes = 256 << 10;
constexpr std::size_t kInboxBytes = 16 << 10;
constexpr std::size_t kDefaultLimit = 64 << 10;
constexpr std::size_t kCipherBlockBytes = 16;

}  // namespace

Link::Impl::Impl(UniqueFd socket, const Handshake& handshake, FrameLimit limit,
                 std::chrono::milliseconds send_timeout)
    : socket_(std::move(socket)),
      peer_(handshake.peer()),
      peer_socket_(peer_address_of(socket_.get())),
      limit_(limit ? std::move(limit) : [](std::uint8_t) { return kDefaultLimit; }),
      send_timeout_(send_timeout),
      sealer_(FrameCipher::Direction::kSeal, handshake.keys().to_send),
      opener_(FrameCipher::Direction::kOpen, handshake.keys().to_receive),
      inbox_(kInboxBytes) {}

void Link::Impl::send(std::uint8_t type, Parts parts) {
  const std::lock_guard lock(send_mutex_);
  send_locked(type, parts);
}

bool Link::Impl::try_send(std::uint8_t type, std::span<const std::uint8_t> payload) {
  const std::unique_lock lock(send_mutex_, std::try_to_lock);
  if (!lock) return false;
  require_up();
  // A writable socket has room for far more than a heartbeat, so that the write below does not wait.
  if (!wait_writable(socket_.get(), TimePoint::min())) return false;
  send_locked(type, {&payload, 1});
  return true;
}

void Link::Impl::send_locked(std::uint8_t type, Parts parts) {
  require_up();
  std::size_t total_bytes = 0;
  for (const auto& part : parts) total_bytes += part.size();
  const std::size_t limit = std::min<std::size_t>(limit_(type), std::numeric_limits<std::uint32_t>::max());
  if (total_bytes > limit) {
    throw Error(Code::kInternal, format("a frame of type %d with %zu bytes is over its limit of %zu", type,
                                        total_bytes, limit));
  }
  try {
    seal_and_write(type, parts, total_bytes);
  } catch (const std::exception& error) {
    // The peer has seen a part of the frame, or a number was skipped: nothing after it could be understood. What the
    // peer said last (a refusal, say) can still be received.
    go_down(Code::kUnavailable, error.what(), SHUT_WR);
  }
}

void Link::Impl::seal_and_write(std::uint8_t type, Parts parts, std::size_t total_bytes) {
  const auto length = static_cast<std::uint32_t>(total_bytes);
  std::array<std::uint8_t, kHeaderBytes> header;
  std::memcpy(header.data(), &length, sizeof(length));
  header[4] = type;
  staged_.reserve(std::min(kStageBytes, kHeaderBytes + total_bytes + FrameCipher::kTagBytes));
  staged_.assign(header.begin(), header.end());
  sealer_.begin(header);
  for (std::span<const std::uint8_t> part : parts) {
    while (!part.empty()) {
      const std::size_t count = std::min(part.size(), kStageBytes - staged_.size());
      staged_.resize(staged_.size() + count);
      sealer_.update(part.first(count), staged_.data() + staged_.size() - count);
      part = part.subspan(count);
      if (staged_.size() == kStageBytes) write_staged();
    }
  }
  const FrameCipher::Tag tag = sealer_.finish_sealing();
  staged_.insert(staged_.end(), tag.begin(), tag.end());
  write_staged();
}

void Link::Impl::write_staged() {
  std::span<const std::uint8_t> left = staged_;
  while (!left.empty()) {
    const ssize_t count = ::send(socket_.get(), left.data(), left.size(), send_flags());
    if (count >= 0) {
      left = left.subspan(static_cast<std::size_t>(count));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) {
      if (!wait_writable(socket_.get(), std::chrono::steady_clock::now() + send_timeout_)) {
        ::shutdown(socket_.get(), SHUT_RDWR);
        throw Error(Code::kUnavailable,
                    format("%s has taken no data for %g s", who().c_str(), to_seconds(send_timeout_)));
      }
    } else if (errno != EINTR) {
      const int failure = errno;
      if (failure != EPIPE && failure != ECONNRESET) ::shutdown(socket_.get(), SHUT_RDWR);
      throw Error(Code::kUnavailable, "the link to " + who() + " broke: " + errno_text(failure));
    }
  }
  staged_.clear();
}

bool Link::Impl::receive(Frame& frame, TimePoint deadline) {
  if (receive_failed_ || closed_here_) require_up();
  if (num_header_ < kHeaderBytes) {
    if (!receive_into(header_, num_header_, deadline)) return false;
    current_.payload = std::move(frame.payload);
    begin_frame();
  }
  while (num_payload_ < current_.payload.size()) {
    const std::size_t count = read_some(std::span(current_.payload).subspan(num_payload_), deadline);
    if (count == 0) return false;
    num_payload_ += count;
    open_arrived();
  }
  if (!receive_into(tag_, num_tag_, deadline)) return false;
  if (!opener_.finish_opening(tag_)) {
    fail_receiving(Code::kCorrupt, "a frame from " + who() + " was changed on its way; the link is closed");
  }
  frame = std::exchange(current_, {});
  num_header_ = num_payload_ = num_opened_ = num_tag_ = 0;
  return true;
}

void Link::Impl::begin_frame() {
  std::uint32_t length;
  std::memcpy(&length, header_.data(), sizeof(length));
  current_.type = header_[4];
  const std::size_t limit = limit_(current_.type);
  if (length > limit) {
    fail_receiving(Code::kCorrupt, format("%s sent a frame of type %d with %u bytes, its limit is %zu; the link is closed",
                                   who().c_str(), current_.type, length, limit));
  }
  current_.payload.resize(length);
  opener_.begin(header_);
}

/// Opens what has arrived while it is still in the cache: whole cipher blocks, and the rest at the end.
void Link::Impl::open_arrived() {
  const bool is_whole = num_payload_ == current_.payload.size();
  const std::size_t end = is_whole ? num_payload_ : num_payload_ / kCipherBlockBytes * kCipherBlockBytes;
  if (end <= num_opened_) return;
  const std::span<std::uint8_t> piece = std::span(current_.payload).subspan(num_opened_, end - num_opened_);
  opener_.update(piece, piece.data());
  num_opened_ = end;
}

/// Fills `bytes`, of which `num_have` are there; false at the deadline.
bool Link::Impl::receive_into(std::span<std::uint8_t> bytes, std::size_t& num_have, TimePoint deadline) {
  while (num_have < bytes.size()) {
    const std::size_t count = read_some(bytes.subspan(num_have), deadline);
    if (count == 0) return false;
    num_have += count;
  }
  return true;
}

/// At least one byte of the stream; 0 at the deadline. Large reads skip the inbox.
std::size_t Link::Impl::read_some(std::span<std::uint8_t> bytes, TimePoint deadline) {
  while (inbox_begin_ == inbox_end_) {
    const bool is_direct = bytes.size() >= kInboxBytes;
    const std::span<std::uint8_t> into = is_direct ? bytes.first(std::min(bytes.size(), kStageBytes)) : inbox_;
    const ssize_t count = ::recv(socket_.get(), into.data(), into.size(), 0);
    if (count > 0) {
      if (is_direct) return static_cast<std::size_t>(count);
      inbox_begin_ = 0;
      inbox_end_ = static_cast<std::size_t>(count);
    } else if (count == 0) {
      fail_receiving(Code::kUnavailable, who() + " closed the link" + (num_header_ > 0 ? " in the middle of a frame" : ""));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (!wait_readable(socket_.get(), deadline)) return 0;
    } else if (errno != EINTR) {
      fail_receiving(Code::kUnavailable, "the link to " + who() + " broke: " + errno_text(errno));
    }
  }
  const std::size_t count = std::min(bytes.size(), inbox_end_ - inbox_begin_);
  std::copy_n(inbox_.data() + inbox_begin_, count, bytes.data());
  inbox_begin_ += count;
  return count;
}

void Link::Impl::close() {
  closed_here_ = true;
  {
    const std::lock_guard lock(reason_mutex_);
    if (!down_.exchange(true)) reason_ = "the link to " + who() + " was closed on this side";
  }
  // Wakes whoever polls; the descriptor itself stays ours until the last thread has left.
  ::shutdown(socket_.get(), SHUT_RDWR);
}

void Link::Impl::require_up() {
  if (!down_) return;
  const std::lock_guard lock(reason_mutex_);
  throw Error(Code::kUnavailable, reason_);
}

void Link::Impl::close_gently(TimePoint deadline) {
  // Without waiting for other senders: one of them may hang on this very peer.
  ::shutdown(socket_.get(), SHUT_WR);
  ssize_t count = 1;
  while (count > 0 || (count < 0 && (errno == EAGAIN || errno == EINTR))) {
    if (!wait_readable(socket_.get(), deadline)) break;
    count = ::recv(socket_.get(), inbox_.data(), inbox_.size(), 0);
    if (std::chrono::steady_clock::now() >= deadline) break;
  }
  close();
}

void Link::Impl::fail_receiving(Code code, const std::string& why) {
  receive_failed_ = true;
  go_down(code, why, SHUT_RDWR);
}

/// Throws `why`, or the first cause when the link was down already: a reader that wakes because this side closed, or
/// because a sender failed, says that.
void Link::Impl::go_down(Code code, const std::string& why, int shut_how) {
  {
    const std::lock_guard lock(reason_mutex_);
    if (down_.exchange(true)) throw Error(Code::kUnavailable, reason_);
    reason_ = why;
  }
  ::shutdown(socket_.get(), shut_how);
  throw Error(code, why);
}

std::string Link::Impl::who() const {
  const std::string address = peer_address();
  return peer_.name.empty() ? address : peer_.name + " (" + address + ")";
}

Link::Link(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Link::Link(Link&&) noexcept = default;
Link& Link::operator=(Link&&) noexcept = default;
Link::~Link() = default;

const Identity& Link::peer() const { return impl_->peer(); }
std::string Link::peer_address() const { return impl_->peer_address(); }
std::string Link::local_address() const { return impl_->local_address(); }

void Link::send(std::uint8_t type, std::span<const std::uint8_t> payload) { impl_->send(type, {&payload, 1}); }

void Link::send(std::uint8_t type, std::initializer_list<std::span<const std::uint8_t>> parts) {
  impl_->send(type, {parts.begin(), parts.size()});
}

bool Link::try_send(std::uint8_t type, std::span<const std::uint8_t> payload) {
  return impl_->try_send(type, payload);
}

std::optional<Frame> Link::receive(std::chrono::steady_clock::time_point deadline) {
  Frame frame;
  if (!impl_->receive(frame, deadline)) return std::nullopt;
  return frame;
}

bool Link::receive(Frame& frame, std::chrono::steady_clock::time_point deadline) {
  return impl_->receive(frame, deadline);
}

void Link::close() { impl_->close(); }

void Link::close_gently(std::chrono::steady_clock::time_point deadline) { impl_->close_gently(deadline); }

}  // namespace tandem::link
