#include "tandem/cluster/peer.h"

#include <utility>

#include "tandem/base/clock.h"
#include "tandem/base/error.h"
#include "tandem/base/log.h"

namespace tandem::cluster {
namespace {

using SteadyTime = std::chrono::steady_clock;

}  // namespace

Peer::Peer(link::Link link, Handlers handlers) : link_(std::move(link)), handlers_(std::move(handlers)) {}

Peer::~Peer() {
  link_.close();
  if (reader_.joinable()) reader_.join();
}

void Peer::start() {
  heartbeat_ = std::make_unique<link::Heartbeat>(
      link_, link::HeartbeatOptions{.payload = [this] { return next_beat(); },
                                    .on_silent = [this] { close("silent: no heartbeat for 3 s"); }});
  reader_ = std::thread([this] { read(); });
}

void Peer::send(link::Message type, std::span<const std::uint8_t> payload) {
  try {
    link_.send(static_cast<std::uint8_t>(type), payload);
  } catch (const Error& e) {
    log::debug("link to {}: {}", link_.peer().name, e.what());
  }
}

void Peer::close(const std::string& why) {
  {
    std::lock_guard lock(mutex_);
    if (why_.empty()) why_ = why;
  }
  link_.close();
}

void Peer::read() {
  std::string why;
  try {
    while (true) {
      const auto frame = link_.receive(SteadyTime::now() + std::chrono::seconds(60));
      if (!frame) continue;
      heartbeat_->note_received();
      if (frame->type == static_cast<std::uint8_t>(link::Message::kHeartbeat)) {
        note_beat(*frame);
      } else {
        handlers_.on_frame(*this, *frame);
      }
    }
  } catch (const std::exception& e) {
    why = e.what();
  }
  heartbeat_.reset();
  {
    std::lock_guard lock(mutex_);
    if (!why_.empty()) why = why_;
  }
  link_.close();
  handlers_.on_end(*this, why);
}

void Peer::note_beat(const link::Frame& frame) {
  const auto beat = link::decode_message<link::HeartbeatMessage>(frame.payload);
  const auto now = SteadyTime::now();
  std::lock_guard lock(mutex_);
  peer_beat_ = beat.sequence;
  peer_beat_received_ = now;
  if (beat.echo == beats_ && beats_ > 0) {
    round_trip_ms_ = std::max(0.0, to_seconds(now - beat_sent_) * 1e3 - beat.held_ms);
  }
  if (beat.counters.steps != counters_.steps) counters_changed_ = now;
  counters_ = beat.counters;
}

Bytes Peer::next_beat() {
  std::lock_guard lock(mutex_);
  const auto now = SteadyTime::now();
  beat_sent_ = now;
  link::HeartbeatMessage beat{.sequence = ++beats_, .echo = peer_beat_};
  if (peer_beat_ > 0) beat.held_ms = to_seconds(now - peer_beat_received_) * 1e3;
  return encode_message(beat);
}

link::StageCounters Peer::counters() const {
  std::lock_guard lock(mutex_);
  return counters_;
}

std::uint64_t Peer::beats() const {
  std::lock_guard lock(mutex_);
  return peer_beat_;
}

std::chrono::steady_clock::time_point Peer::counters_changed() const {
  std::lock_guard lock(mutex_);
  return counters_changed_;
}

}  // namespace tandem::cluster
