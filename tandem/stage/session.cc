#include "tandem/stage/session.h"

#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "tandem/base/error.h"
#include "tandem/link/heartbeat.h"
#include "tandem/link/messages.h"
#include "tandem/stage/stage.h"
#include "tandem/stage/stderr_log.h"

namespace tandem::stage {
namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void end_process(ExitCode code, const std::string& reason) {
  log_line(code == kExitParentGone ? "info" : "error", reason);
  // Not exit(): destructors would wait for threads that wait for peers.
  std::_Exit(code);
}

ExitCode exit_code_of(const Error& error) {
  switch (error.code()) {
    case Code::kUnauthenticated:
    case Code::kMismatch:
      return kExitRefused;
    case Code::kUnavailable:
      return kExitHeadLost;
    default:
      return kExitFailure;
  }
}

/// The stage's side of the round-trip measurement: echoes the head's last beat with the time that
/// it waited here.
class Echo {
 public:
  void received(std::uint64_t sequence) {
    std::lock_guard lock(mutex_);
    heard_ = sequence;
    heard_at_ = Clock::now();
  }
  link::HeartbeatMessage next(const link::StageCounters& counters) {
    std::lock_guard lock(mutex_);
    const double held_ms =
        heard_ == 0 ? 0
                    : std::chrono::duration<double, std::milli>(Clock::now() - heard_at_).count();
    return {.sequence = ++sent_, .echo = heard_, .held_ms = held_ms, .counters = counters};
  }

 private:
  std::mutex mutex_;
  std::uint64_t sent_ = 0, heard_ = 0;
  Clock::time_point heard_at_;
};

void read_frames(link::Link& link, link::Heartbeat& heartbeat, Echo& echo, Stage& stage) {
  for (;;) {
    const auto frame = link.receive(Clock::now() + std::chrono::hours(1));
    if (!frame) continue;
    heartbeat.note_received();
    if (frame->type == static_cast<std::uint8_t>(link::Message::kHeartbeat)) {
      echo.received(link::decode_message<link::HeartbeatMessage>(frame->payload).sequence);
    } else {
      stage.handle(*frame);
    }
  }
}

}  // namespace

void end_with(int fd) {
  std::thread([fd] {
    char bytes[256];
    for (;;) {
      const ssize_t count = ::read(fd, bytes, sizeof(bytes));
      if (count == 0 || (count < 0 && errno != EINTR))
        end_process(kExitParentGone, "whoever started this stage has gone");
    }
  }).detach();
}

void serve_head(const StageOptions& options) {
  try {
    link::Identity self = link::this_identity(link::Role::kStage);
    self.name = options.name;
    link::Link link = link::connect(options.head, options.port, options.secret, self,
                                    {.frame_limit = link::max_payload_bytes});
    if (const std::string refusal = link::mismatch(self, link.peer(), /*both_have_ranks=*/false);
        !refusal.empty()) {
      throw Error(Code::kMismatch, refusal);
    }
    Stage stage(options, link, comm::make_gloo);
    stage.introduce();
    Echo echo;
    link::Heartbeat heartbeat(
        link,
        {.type = static_cast<std::uint8_t>(link::Message::kHeartbeat),
         .payload = [&] { return link::encode_message(echo.next(stage.counters())); },
         .on_silent = [] { end_process(kExitHeadLost, "the head has been silent for 3 s"); }});
    std::thread([&] {
      try {
        read_frames(link, heartbeat, echo, stage);
      } catch (const Error& e) {
        const ExitCode code = exit_code_of(e);
        end_process(code, (code == kExitRefused ? "the head refused this stage: "
                                                : "the link to the head ended: ") +
                              std::string(e.what()));
      }
    }).detach();
    stage.run();
    end_process(kExitFailure, "the stage's loop ended");
  } catch (const Error& e) {
    end_process(exit_code_of(e), e.what());
  } catch (const std::exception& e) {
    end_process(kExitFailure, e.what());
  }
}

}  // namespace tandem::stage
