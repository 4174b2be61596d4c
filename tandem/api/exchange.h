// One request between the network thread, the preparing threads and its answer: whether the client
// is still there, and what to end when it is not.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "tandem/api/answer/generation.h"
#include "tandem/http/server.h"

namespace tandem::api {

/// Held by the work that prepares the answer. Safe from any thread.
class Exchange {
 public:
  /// `headers` go with every answer (CORS).
  Exchange(http::Request request, http::Responder responder, http::Headers headers);

  const std::string& request_id() const { return request_id_; }
  bool is_client_gone() const;
  /// The body, once; nullopt when the client has gone.
  std::optional<std::string> take_body();
  /// Ends `generation` when the client goes, or now if it has gone. `owner` is kept alive until the
  /// answer is out.
  void cancel_when_gone(std::shared_ptr<Generation> generation, std::shared_ptr<void> owner);

  void send(http::Response response) const;
  http::Waker stream(http::StreamHead head, std::shared_ptr<http::BodySource> source) const;
  /// What an answer needs to send itself later.
  std::function<void(http::Response)> sender() const;

 private:
  /// What the client's going ends. Owned by the connection's callback, so it must not own the
  /// Responder.
  struct Fate {
    std::mutex mutex;
    bool is_gone = false;
    std::string body;
    std::shared_ptr<Generation> generation;
    std::shared_ptr<void> owner;
    void end();
  };

  const std::string request_id_;
  const http::Responder responder_;
  const http::Headers headers_;
  const std::shared_ptr<Fate> fate_;
};

}  // namespace tandem::api
