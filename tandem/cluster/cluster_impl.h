// The inside of Cluster: the head's links, threads and shared state. Implemented by cluster.cc (threads, decisions, steps) and
// cluster_links.cc (what comes over links).
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tandem/base/channel.h"
#include "tandem/cluster/agent.h"
#include "tandem/cluster/cluster.h"
#include "tandem/cluster/doctor_service.h"
#include "tandem/cluster/generation_store.h"
#include "tandem/cluster/peer.h"
#include "tandem/cluster/plan_deadlines.h"
#include "tandem/cluster/private_folder.h"
#include "tandem/cluster/slice_server.h"

namespace tandem::cluster {

class Cluster::Impl : public Outbox {
 public:
  Impl(ClusterOptions options, checkpoint::Checkpoint checkpoint);
  ~Impl() override;

  step::RunnerInfo info() const {
    std::lock_guard lock(state_mutex_);
    return info_;
  }
  void submit(const step::StepPlan& plan);
  std::optional<step::StepOutcome> wait();
  void interrupt();
  std::uint16_t port() const { return port_; }
  void set_secret(const link::Secret& secret) {
    // The first listens for this machine's own agent and stages, which keep the secret they were started with.
    for (std::size_t i = 1; i < listeners_.size(); ++i) listeners_[i]->set_secret(secret);
  }
  std::optional<Error> fatal() const {
    std::lock_guard lock(state_mutex_);
    return fatal_;
  }
  Json status() const {
    std::lock_guard lock(state_mutex_);
    return status_;
  }
  bool wait_until_ready(std::chrono::steady_clock::time_point deadline) const {
    std::unique_lock lock(state_mutex_);
    state_changed_.wait_until(lock, deadline, [&] { return info_.state == step::RunnerInfo::State::kReady || fatal_; });
    return info_.state == step::RunnerInfo::State::kReady;
  }

  // Outbox; on the coordinator's thread.
  void to_agent(AgentId agent, link::Message type, Bytes payload) override;
  void to_stage(const std::string& stage, link::Message type, Bytes payload) override;
  void drop_stage(const std::string& stage) override;
  void prepare_slice(AgentId agent, const std::string& stage, const checkpoint::Share& share) override;
  void generation_ended(const step::GenerationEnded& ended) override;
  void state_changed() override { is_state_stale_ = true; }

 private:
  using Event = std::function<void(Coordinator&, TimePoint)>;
  // Stages of the ready generation in rank order; what `submit` needs without the coordinator.
  struct Mesh {
    std::uint64_t generation = 0;
    std::vector<std::shared_ptr<Peer>> stages;
  };

  void post(Event event) { events_.send(std::move(event)); }
  void coordinate();
  void publish(const Coordinator& coordinator);
  void say_what_is_awaited(const Coordinator& coordinator, TimePoint now);
  void check_deadlines(Coordinator& coordinator, TimePoint now);
  void accept(link::Listener& listener, bool is_local);
  void admit(link::Link link, bool is_local);
  void serve_weights(link::Link link);
  void on_agent_frame(Peer& peer, const link::Frame& frame, bool is_local);
  void on_stage_frame(Peer& peer, const link::Frame& frame);
  void on_end(Peer& peer, const std::string& why);
  void on_result(const Peer& peer, const link::Frame& frame);
  void log_lines(const link::LogLines& lines) const;
  std::shared_ptr<Peer> stage_peer(const std::string& stage) const;
  void start_local_agent();

  const ClusterOptions options_;
  PrivateFolder folder_;
  SliceServer slices_;
  DoctorService doctors_{options_.local_agent.address};
  std::vector<std::unique_ptr<link::Listener>> listeners_;
  std::uint16_t port_ = 0;
  std::atomic<bool> stopping_ = false;

  Channel<Event> events_;
  bool is_state_stale_ = true;                  // coordinator's thread
  std::chrono::steady_clock::time_point last_waiting_line_{};
  std::string last_waiting_;

  mutable std::mutex peers_mutex_;
  std::uint64_t next_agent_ = 1;
  std::map<AgentId, std::shared_ptr<Peer>> agents_;
  std::map<std::string, std::shared_ptr<Peer>> stages_;
  std::vector<std::shared_ptr<Peer>> newcomers_, ended_;
  std::vector<std::thread> helpers_;            // weights connections and hashing

  GenerationStore store_;

  mutable std::mutex state_mutex_;
  mutable std::condition_variable state_changed_;
  step::RunnerInfo info_;
  std::optional<Error> fatal_;
  Json status_ = Json::object();
  Mesh mesh_;
  std::map<std::string, std::string> stage_names_;

  Channel<std::optional<step::StepOutcome>> outcomes_;
  std::atomic<bool> is_interrupted_ = false;
  PlanDeadlines deadlines_;

  std::unique_ptr<Agent> local_agent_;
  std::thread local_agent_thread_, coordinator_thread_;
  std::vector<std::thread> acceptors_;
};

}  // namespace tandem::cluster
