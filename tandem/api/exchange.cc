// A request's fate; see exchange.h.
#include "tandem/api/exchange.h"

#include <utility>

namespace tandem::api {

Exchange::Exchange(http::Request request, http::Responder responder, http::Headers headers)
    : request_id_(std::move(request.id)),
      responder_(std::move(responder)),
      headers_(std::move(headers)),
      fate_(std::make_shared<Fate>()) {
  fate_->body = std::move(request.body);
  responder_.on_client_gone([fate = fate_] { fate->end(); });
}

void Exchange::Fate::end() {
  std::shared_ptr<Generation> ended;
  std::shared_ptr<void> dropped;
  {
    std::lock_guard lock(mutex);
    is_gone = true;
    body = {};
    ended = std::exchange(generation, nullptr);
    dropped = std::exchange(owner, nullptr);
  }
  if (ended) ended->cancel();
}

bool Exchange::is_client_gone() const {
  std::lock_guard lock(fate_->mutex);
  return fate_->is_gone;
}

std::optional<std::string> Exchange::take_body() {
  std::lock_guard lock(fate_->mutex);
  if (fate_->is_gone) return std::nullopt;
  return std::exchange(fate_->body, {});
}

void Exchange::cancel_when_gone(std::shared_ptr<Generation> generation,
                                std::shared_ptr<void> owner) {
  {
    std::lock_guard lock(fate_->mutex);
    if (!fate_->is_gone) {
      fate_->generation = std::move(generation);
      fate_->owner = std::move(owner);
      return;
    }
  }
  generation->cancel();
}

void Exchange::send(http::Response response) const { sender()(std::move(response)); }

std::function<void(http::Response)> Exchange::sender() const {
  return [responder = responder_, headers = headers_](http::Response response) {
    response.headers.insert(response.headers.end(), headers.begin(), headers.end());
    responder.send(std::move(response));
  };
}

http::Waker Exchange::stream(http::StreamHead head,
                             std::shared_ptr<http::BodySource> source) const {
  head.headers.insert(head.headers.end(), headers_.begin(), headers_.end());
  return responder_.stream(std::move(head), std::move(source));
}

}  // namespace tandem::api
