// Streamed and whole answers; see answer.h.
#include "tandem/api/answer/answer.h"

#include "tandem/api/api_error.h"
#include "tandem/api/wire.h"

namespace tandem::api {
namespace {

constexpr std::size_t kPullBytes =
    16 << 10;  // a pull's share, so that one stream does not hold the network thread

void write_frame(std::string& out, const std::string& data) {
  out += "data: ";
  out += data;
  out += "\n\n";
}

Json timings_of(const Generation& generation) {
  const auto stats = generation.stats();
  return stats ? timings_json(*stats) : Json(nullptr);
}

void put_timings(Json& answer, const Generation& generation) {
  if (Json timings = timings_of(generation); !timings.is_null())
    answer["timings"] = std::move(timings);
}

}  // namespace

http::StreamHead event_stream_head() {
  return {.status = 200,
          .headers = {{"Content-Type", "text/event-stream"},
                      {"Cache-Control", "no-cache"},
                      {"X-Accel-Buffering", "no"}},
          .keep_alive = ": ping\n\n",
          .keep_alive_interval = std::chrono::seconds(10)};
}

EventStreamSource::EventStreamSource(std::shared_ptr<Generation> generation,
                                     std::unique_ptr<AnswerFormat> format, StreamOptions options,
                                     std::string request_id)
    : generation_(std::move(generation)),
      format_(std::move(format)),
      options_(options),
      request_id_(std::move(request_id)) {}

http::BodySource::Pull EventStreamSource::pull(std::string& out) {
  const std::size_t begin = out.size();
  try {
    while (out.size() - begin < kPullBytes) {
      if (!write_next(out)) return out.size() > begin ? Pull::kData : Pull::kPending;
      if (generation_->is_done()) {
        write_end(out);
        return Pull::kEnd;
      }
    }
    return Pull::kData;
  } catch (const std::exception& e) {
    generation_->cancel();
    // After an error no [DONE]: the answer is not complete, and nobody shall take it for complete.
    write_frame(out, dump_json(to_api_error(e, request_id_).body()));
    return Pull::kEnd;
  }
}

bool EventStreamSource::write_next(std::string& out) {
  const auto piece = generation_->next();
  if (!piece) return false;
  Json chunk = format_->chunk(*piece);
  if (options_.continuous_usage) chunk["usage"] = usage_json(generation_->usage());
  if (!options_.include_usage && generation_->is_done()) put_timings(chunk, *generation_);
  write_frame(out, dump_json(chunk));
  return true;
}

void EventStreamSource::write_end(std::string& out) {
  if (options_.include_usage) {
    Json chunk = format_->usage_chunk(generation_->usage());
    put_timings(chunk, *generation_);
    write_frame(out, dump_json(chunk));
  }
  write_frame(out, "[DONE]");
}

WholeAnswer::WholeAnswer(std::shared_ptr<Generation> generation,
                         std::unique_ptr<AnswerFormat> format, Send send, std::string request_id)
    : generation_(std::move(generation)),
      format_(std::move(format)),
      send_(std::move(send)),
      request_id_(std::move(request_id)),
      choices_(static_cast<std::size_t>(generation_->num_choices())) {}

void WholeAnswer::collect(const std::shared_ptr<WholeAnswer>& answer,
                          WorkPool::Entrance collector) {
  // The waker runs under a lock of the ticket, so it must not become the answer's last owner: it
  // only posts, and coalesces, so that no answer waits twice.
  struct Signal {
    std::atomic<bool> is_posted{false};
    std::weak_ptr<WholeAnswer> answer;
  };
  auto signal = std::make_shared<Signal>();
  signal->answer = answer;
  answer->generation_->set_waker([signal, collector] {
    if (signal->is_posted.exchange(true)) return;
    collector.post([signal] {
      signal->is_posted = false;
      if (const auto answer = signal->answer.lock()) answer->read();
    });
  });
}

void WholeAnswer::read() {
  if (!send_) return;
  http::Response result;
  try {
    while (auto piece = generation_->next()) {
      const auto choice = static_cast<std::size_t>(piece->choice);
      choices_.at(choice).append(*std::move(piece));
    }
    if (!generation_->is_done()) return;
    result = response();
  } catch (const std::exception& e) {
    generation_->cancel();
    result = to_api_error(e, request_id_).response();
  }
  std::exchange(send_, nullptr)(std::move(result));
}

http::Response WholeAnswer::response() const {
  Json answer = format_->whole(choices_);
  answer["usage"] = usage_json(generation_->usage());
  put_timings(answer, *generation_);
  return json_response(200, answer);
}

}  // namespace tandem::api
