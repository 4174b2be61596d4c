// One request and its answer: where a Responder, on any thread, meets the connection, on the network thread.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "tandem/http/mailbox.h"
#include "tandem/http/server.h"

namespace tandem::http {

/// What the connection knows about the answer. Touched on the network thread only.
class Exchange {
 public:
  /// `wake` tells the connection that something here has changed.
  explicit Exchange(std::function<void()> wake) : wake_(std::move(wake)) {}

  void answer(Response response);
  void answer(StreamHead head, std::shared_ptr<BodySource> source);
  /// The source may have data.
  void mark_ready();
  /// Calls `gone` now or later, or never if the answer has been delivered.
  void on_client_gone(std::function<void()> gone);
  /// The connection is through with it. Lets go of source, callbacks and connection; calls the callbacks if the client has
  /// `vanished`.
  void finish(bool vanished);

  bool is_answered() const { return response.has_value() || head.has_value(); }

  std::optional<Response> response;
  std::optional<StreamHead> head;
  std::shared_ptr<BodySource> source;
  bool is_ready = true;  ///< the source is worth a pull

 private:
  void wake() const;

  enum class State { kOpen, kDelivered, kVanished };
  State state_ = State::kOpen;
  std::function<void()> wake_;
  std::vector<std::function<void()>> on_gone_;
};

/// Shared by the copies of a Responder; when the last one goes without an answer, the client gets a 500.
class Responder::Impl {
 public:
  Impl(std::shared_ptr<Mailbox> mailbox, std::shared_ptr<Exchange> exchange);
  ~Impl();
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  void send(Response response);
  Waker stream(StreamHead head, std::shared_ptr<BodySource> source);
  void on_client_gone(std::function<void()> gone);

 private:
  std::shared_ptr<Mailbox> mailbox_;
  std::shared_ptr<Exchange> exchange_;
  std::atomic<bool> is_answered_{false};
};

/// The status that makes the connection fill in the server's own error body.
inline constexpr int kDroppedStatus = 0;

}  // namespace tandem::http
