// One established link on the head, with the thread that reads it and its heartbeat.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "tandem/link/heartbeat.h"
#include "tandem/link/link.h"
#include "tandem/link/messages.h"

namespace tandem::cluster {

/// An agent's or a stage's link. Frames and the end are reported on the reading thread.
class Peer {
 public:
  struct Handlers {
    std::function<void(Peer&, const link::Frame&)> on_frame;      ///< may throw Error: that ends the link
    std::function<void(Peer&, const std::string& why)> on_end;    ///< once, last
  };
  Peer(link::Link link, Handlers handlers);
  ~Peer();
  void start();
  /// Never throws: a link that is down reports its end on its own thread.
  void send(link::Message type, std::span<const std::uint8_t> payload);
  void close(const std::string& why);

  const link::Link& link() const { return link_; }
  double round_trip_ms() const { return round_trip_ms_; }
  link::StageCounters counters() const;
  /// Heartbeats received; tells whether `counters` is from after some moment.
  std::uint64_t beats() const;
  std::chrono::steady_clock::time_point counters_changed() const;

  /// Set by the owner once it knows who this is.
  std::string stage;
  std::uint64_t agent = 0;

 private:
  void read();
  void note_beat(const link::Frame& frame);
  Bytes next_beat();

  link::Link link_;
  Handlers handlers_;
  std::atomic<double> round_trip_ms_ = -1;
  mutable std::mutex mutex_;                 // guards what follows
  std::string why_;
  link::StageCounters counters_;
  std::chrono::steady_clock::time_point counters_changed_;
  std::uint64_t beats_ = 0, peer_beat_ = 0;
  std::chrono::steady_clock::time_point beat_sent_, peer_beat_received_;
  std::unique_ptr<link::Heartbeat> heartbeat_;
  std::thread reader_;
};

}  // namespace tandem::cluster
