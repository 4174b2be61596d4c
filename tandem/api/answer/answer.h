// The two front ends of a generation: server-sent events, and one JSON body. Both only arrange what
// ChoiceAssembler made.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tandem/api/answer/answer_format.h"
#include "tandem/api/answer/generation.h"
#include "tandem/api/work_pool.h"
#include "tandem/http/server.h"

namespace tandem::api {

struct StreamOptions {
  bool include_usage = false;
  bool continuous_usage = false;
};

/// Writes one `data:` frame a token, pulled by the network thread as the socket takes them; what
/// the client is too slow for waits with the engine as ids.
class EventStreamSource : public http::BodySource {
 public:
  EventStreamSource(std::shared_ptr<Generation> generation, std::unique_ptr<AnswerFormat> format,
                    StreamOptions options, std::string request_id);
  /// Ends with "data: [DONE]", or after an error with the error's own frame.
  Pull pull(std::string& out) override;

 private:
  bool write_next(std::string& out);
  void write_end(std::string& out);

  const std::shared_ptr<Generation> generation_;
  const std::unique_ptr<AnswerFormat> format_;
  const StreamOptions options_;
  const std::string request_id_;
};

/// Status line and headers of an event stream, with a comment every 10 s while it is silent.
http::StreamHead event_stream_head();

/// Collects all choices and sends them as one body.
class WholeAnswer {
 public:
  using Send = std::function<void(http::Response)>;
  WholeAnswer(std::shared_ptr<Generation> generation, std::unique_ptr<AnswerFormat> format,
              Send send, std::string request_id);

  /// From now on events are collected on `collector`'s thread, until the answer is sent or `answer`
  /// is dropped.
  static void collect(const std::shared_ptr<WholeAnswer>& answer, WorkPool::Entrance collector);

 private:
  void read();
  http::Response response() const;

  const std::shared_ptr<Generation> generation_;
  const std::unique_ptr<AnswerFormat> format_;
  Send send_;
  const std::string request_id_;
  std::vector<WholeChoice> choices_;
};

}  // namespace tandem::api
