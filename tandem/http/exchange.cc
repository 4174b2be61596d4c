#include "tandem/http/exchange.h"

#include <exception>

#include "tandem/base/log.h"

namespace tandem::http {
namespace {

void call(const std::function<void()>& gone) {
  try {
    gone();
  } catch (const std::exception& e) {
    log::error("http: on_client_gone: {}", e.what());
  }
}

}  // namespace

void Exchange::answer(Response answer) {
  if (state_ != State::kOpen || is_answered()) return;
  response = std::move(answer);
  wake();
}

void Exchange::answer(StreamHead stream_head, std::shared_ptr<BodySource> body) {
  if (state_ != State::kOpen || is_answered()) return;
  head = std::move(stream_head);
  source = std::move(body);
  wake();
}

void Exchange::mark_ready() {
  is_ready = true;
  wake();
}

void Exchange::on_client_gone(std::function<void()> gone) {
  if (state_ == State::kVanished) call(gone);
  if (state_ == State::kOpen) on_gone_.push_back(std::move(gone));
}

void Exchange::finish(bool vanished) {
  if (state_ != State::kOpen) return;
  state_ = vanished ? State::kVanished : State::kDelivered;
  wake_ = nullptr;
  // Moved out first: what these destroy may come back to this object.
  const auto callbacks = std::exchange(on_gone_, {});
  const auto body = std::exchange(source, nullptr);
  response.reset();
  if (!vanished) return;
  for (const auto& gone : callbacks) call(gone);
}

void Exchange::wake() const {
  if (wake_) wake_();
}

Responder::Impl::Impl(std::shared_ptr<Mailbox> mailbox, std::shared_ptr<Exchange> exchange)
    : mailbox_(std::move(mailbox)), exchange_(std::move(exchange)) {}

Responder::Impl::~Impl() {
  if (is_answered_) return;
  try {
    send(Response{kDroppedStatus, {}, {}});
  } catch (const std::exception& e) {
    log::error("http: no memory for an answer: {}", e.what());
  }
}

void Responder::Impl::send(Response response) {
  if (is_answered_.exchange(true)) return;
  mailbox_->post([exchange = exchange_, response = std::move(response)]() mutable {
    exchange->answer(std::move(response));
  });
}

Waker Responder::Impl::stream(StreamHead head, std::shared_ptr<BodySource> source) {
  if (is_answered_.exchange(true)) return [] {};
  mailbox_->post([exchange = exchange_, head = std::move(head), source = std::move(source)]() mutable {
    exchange->answer(std::move(head), std::move(source));
  });
  // Wakes that come before the network thread has seen the first one are one wake.
  auto is_signalled = std::make_shared<std::atomic<bool>>(false);
  return [mailbox = mailbox_, exchange = exchange_, is_signalled] {
    if (is_signalled->exchange(true)) return;
    mailbox->post([exchange, is_signalled] {
      is_signalled->store(false);
      exchange->mark_ready();
    });
  };
}

void Responder::Impl::on_client_gone(std::function<void()> gone) {
  const bool is_queued =
      mailbox_->post([exchange = exchange_, gone]() mutable { exchange->on_client_gone(std::move(gone)); });
  // The server has gone, and every client with it.
  if (!is_queued && !is_answered_) call(gone);
}

Responder::Responder(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
void Responder::send(Response response) const { impl_->send(std::move(response)); }
Waker Responder::stream(StreamHead head, std::shared_ptr<BodySource> source) const {
  return impl_->stream(std::move(head), std::move(source));
}
void Responder::on_client_gone(std::function<void()> gone) const { impl_->on_client_gone(std::move(gone)); }

}  // namespace tandem::http
