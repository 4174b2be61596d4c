#include "tandem/cluster/cluster.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "tandem/base/channel.h"
#include "tandem/base/clock.h"
#include "tandem/base/log.h"
#include "tandem/base/strings.h"
#include "tandem/cluster/agent.h"
#include "tandem/cluster/doctor_service.h"
#include "tandem/cluster/generation_store.h"
#include "tandem/cluster/peer.h"
#include "tandem/cluster/plan_deadlines.h"
#include "tandem/cluster/private_folder.h"
#include "tandem/cluster/slice_server.h"
#include "tandem/cluster/status.h"
#include "tandem/step/codec.h"

namespace tandem::cluster {
namespace {

using link::Message;
using std::chrono::milliseconds;
using std::chrono::seconds;
using SteadyTime = std::chrono::steady_clock;

constexpr milliseconds kTick{200};
constexpr seconds kWaitingLine{10};

}  // namespace

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
    for (auto& listener : listeners_) listener->set_secret(secret);
  }
  std::optional<Error> fatal() const {
    std::lock_guard lock(state_mutex_);
    return fatal_;
  }
  Json status() const {
    std::lock_guard lock(state_mutex_);
    return status_;
  }
  bool wait_until_ready(SteadyTime::time_point deadline) const {
    std::unique_lock lock(state_mutex_);
    state_changed_.wait_until(lock, deadline, [&] { return info_.state == step::RunnerInfo::State::kReady || fatal_; });
    return info_.state == step::RunnerInfo::State::kReady;
  }

  // Outbox; on the coordinator's thread.
  void to_agent(AgentId agent, Message type, Bytes payload) override;
  void to_stage(const std::string& stage, Message type, Bytes payload) override;
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
  SteadyTime::time_point last_waiting_line_{};
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

Cluster::Impl::Impl(ClusterOptions options, checkpoint::Checkpoint checkpoint)
    : options_(std::move(options)), slices_(std::move(checkpoint), options_.model, options_.cache_folder / "hashes") {
  const link::Identity self = link::this_identity(link::Role::kHead);
  const link::ListenOptions listen{.frame_limit = link::max_payload_bytes};
  listeners_.push_back(std::make_unique<link::Listener>("unix:" + (folder_.path() / "link").string(), 0, options_.secret, self, listen));
  for (const std::string& address : options_.listen_addresses) {
    try {
      listeners_.push_back(std::make_unique<link::Listener>(address, port_ != 0 ? port_ : options_.port, options_.secret, self, listen));
      port_ = listeners_.back()->port();
    } catch (const Error& e) {
      if (port_ == 0) throw;  // a machine without IPv6 still takes IPv4
      log::debug("{}", e.what());
    }
  }
  coordinator_thread_ = std::thread([this] { coordinate(); });
  for (std::size_t i = 0; i < listeners_.size(); ++i) {
    acceptors_.emplace_back([this, i] { accept(*listeners_[i], /*is_local=*/i == 0); });
  }
  if (options_.coordinator.has_local_rank) start_local_agent();
}

Cluster::Impl::~Impl() {
  stopping_ = true;
  if (local_agent_) {
    local_agent_->stop();
    local_agent_thread_.join();
  }
  for (auto& listener : listeners_) listener->close();
  for (auto& acceptor : acceptors_) acceptor.join();
  events_.close();
  coordinator_thread_.join();
  outcomes_.close();
  std::vector<std::shared_ptr<Peer>> peers;
  std::vector<std::thread> helpers;
  {
    std::lock_guard lock(peers_mutex_);
    for (auto& [id, peer] : agents_) peers.push_back(peer);
    for (auto& [id, peer] : stages_) peers.push_back(peer);
    peers.insert(peers.end(), newcomers_.begin(), newcomers_.end());
    peers.insert(peers.end(), ended_.begin(), ended_.end());
    agents_.clear();
    stages_.clear();
    newcomers_.clear();
    ended_.clear();
    helpers.swap(helpers_);
  }
  {
    std::lock_guard lock(state_mutex_);
    mesh_ = {};
  }
  for (auto& peer : peers) peer->close("the head is stopping");
  peers.clear();
  for (auto& helper : helpers) helper.join();
}

void Cluster::Impl::start_local_agent() {
  AgentOptions agent;
  agent.host = "unix:" + (folder_.path() / "link").string();
  agent.port = 0;
  agent.secret = options_.secret;
  agent.hello = options_.local_agent;
  agent.is_local = true;
  agent.stage_program = options_.stage_program;
  agent.cache_folder = options_.cache_folder;
  agent.log_folder = options_.log_folder;
  local_agent_ = std::make_unique<Agent>(std::move(agent));
  local_agent_thread_ = std::thread([this] {
    try {
      local_agent_->run();
    } catch (const std::exception& e) {
      log::error("this machine's own agent ended: {}", e.what());
    }
  });
}

void Cluster::Impl::coordinate() {
  Coordinator coordinator(options_.coordinator, *this);
  auto next_tick = SteadyTime::now();
  while (!stopping_) {
    const auto event = events_.receive_until(next_tick);
    const auto now = SteadyTime::now();
    if (event) {
      (*event)(coordinator, now);
    } else if (events_.is_closed()) {
      return;
    }
    if (now >= next_tick) {
      next_tick = now + kTick;
      coordinator.tick(now);
      check_deadlines(coordinator, now);
      say_what_is_awaited(coordinator, now);
      is_state_stale_ = true;
    }
    if (std::exchange(is_state_stale_, false)) publish(coordinator);
    std::vector<std::shared_ptr<Peer>> ended;
    {
      std::lock_guard lock(peers_mutex_);
      ended.swap(ended_);
    }
  }
}

void Cluster::Impl::publish(const Coordinator& coordinator) {
  StatusInput input{.coordinator = coordinator, .model = options_.model};
  Mesh mesh{.generation = coordinator.generation()};
  std::map<std::string, std::string> names;
  {
    std::lock_guard lock(peers_mutex_);
    for (const auto& [stage, peer] : stages_) input.stages[stage] = {peer->round_trip_ms(), peer->counters(), peer->beats()};
    for (const auto& [agent, peer] : agents_) input.agent_round_trip_ms[agent] = peer->round_trip_ms();
    for (const std::string& stage : coordinator.stages()) {
      const auto it = stages_.find(stage);
      mesh.stages.push_back(it == stages_.end() ? nullptr : it->second);
    }
  }
  for (const auto& listener : listeners_) {
    for (std::string& refusal : listener->recent_refusals()) input.refusals.push_back(std::move(refusal));
  }
  for (std::size_t rank = 0; rank < coordinator.slots().size(); ++rank) {
    const Slot& slot = coordinator.slots()[rank];
    names[slot.stage] = format("rank %zu (%s)", rank, slot.plan.machine.c_str());
  }
  bool became_ready = false;
  {
    std::lock_guard lock(state_mutex_);
    const auto before = info_;
    info_ = coordinator.info();
    fatal_ = coordinator.fatal();
    status_ = make_status(input);
    stage_names_ = std::move(names);
    mesh_ = info_.state == step::RunnerInfo::State::kReady ? std::move(mesh) : Mesh{};
    became_ready = info_.state == step::RunnerInfo::State::kReady &&
                   (before.state != info_.state || before.generation != info_.generation);
  }
  state_changed_.notify_all();
  if (became_ready) interrupt();
}

void Cluster::Impl::say_what_is_awaited(const Coordinator& coordinator, TimePoint now) {
  const std::string waiting = coordinator.waiting_for();
  if (waiting.empty() || coordinator.phase() == Coordinator::Phase::kFailed) return;
  if (waiting == last_waiting_ && now - last_waiting_line_ < kWaitingLine) return;
  const bool is_first = last_waiting_line_ == SteadyTime::time_point{};
  last_waiting_ = waiting;
  last_waiting_line_ = now;
  if (is_first) return;   // local stages connect within a moment; silence until then
  std::string who;
  for (const auto& [id, agent] : coordinator.agents()) {
    who += format("%s%s (%s, %s)", who.empty() ? "" : ", ", agent.hello.machine.c_str(),
                  agent.is_local ? "this machine" : agent.hello.address.c_str(), format_bytes(agent.hello.memory_budget_bytes).c_str());
  }
  std::string where;
  for (const auto& address : options_.listen_addresses) where += (where.empty() ? "" : ", ") + address + " port " + std::to_string(port_);
  log::info("{}; listening on {}; here: {}", waiting, where.empty() ? "this machine only" : where, who.empty() ? "nobody" : who);
}

void Cluster::Impl::check_deadlines(Coordinator& coordinator, TimePoint now) {
  const auto late = deadlines_.overdue(now);
  if (!late) return;
  // The first rank that has not run the plan holds up the rest.
  std::int32_t rank = 0;
  {
    std::lock_guard lock(peers_mutex_);
    const auto stages = coordinator.stages();
    std::uint64_t fewest = UINT64_MAX;
    for (std::size_t i = 0; i < stages.size(); ++i) {
      const auto it = stages_.find(stages[i]);
      if (it == stages_.end()) continue;
      const std::uint64_t steps = it->second->counters().steps - deadlines_.steps_at_begin(stages[i]);
      if (steps < fewest) {
        fewest = steps;
        rank = static_cast<std::int32_t>(i);
      }
    }
  }
  deadlines_.clear();
  coordinator.wedged(rank, format("a step has taken %.0f s, ten times what was to be expected", to_seconds(*late)), now);
}

void Cluster::Impl::accept(link::Listener& listener, bool is_local) {
  while (!stopping_) {
    auto link = listener.accept(SteadyTime::now() + seconds(1));
    if (!link) continue;
    try {
      admit(std::move(*link), is_local);
    } catch (const std::exception& e) {
      log::warn("a connection could not be taken: {}", e.what());
    }
  }
}

void Cluster::Impl::admit(link::Link link, bool is_local) {
  const link::Identity& peer = link.peer();
  const std::string mismatch = link::mismatch(link::this_identity(link::Role::kHead), peer, options_.coordinator.has_local_rank);
  // A doctor comes to find out what differs, and says so itself.
  if (!mismatch.empty() && peer.role != link::Role::kDoctor) {
    log::warn("{} ({}) is refused: {}", peer.name, link.peer_address(), mismatch);
    link.send(static_cast<std::uint8_t>(Message::kRefused), encode_message(link::Refused{.reason = mismatch}));
    return;
  }
  switch (peer.role) {
    case link::Role::kAgent:
    case link::Role::kStage: {
      const bool is_agent = peer.role == link::Role::kAgent;
      Peer::Handlers handlers;
      handlers.on_frame = [this, is_agent, is_local](Peer& from, const link::Frame& frame) {
        is_agent ? on_agent_frame(from, frame, is_local) : on_stage_frame(from, frame);
      };
      handlers.on_end = [this](Peer& from, const std::string& why) { on_end(from, why); };
      auto newcomer = std::make_shared<Peer>(std::move(link), std::move(handlers));
      std::lock_guard lock(peers_mutex_);
      newcomers_.push_back(newcomer);
      newcomer->start();
      return;
    }
    case link::Role::kWeights: {
      std::lock_guard lock(peers_mutex_);
      helpers_.emplace_back([this, moved = std::make_shared<link::Link>(std::move(link))] { serve_weights(std::move(*moved)); });
      return;
    }
    case link::Role::kDoctor: doctors_.serve(std::move(link)); return;
    case link::Role::kHead: throw Error(Code::kCorrupt, "another head connected to this one");
  }
}

void Cluster::Impl::serve_weights(link::Link link) {
  try {
    slices_.serve(link);
  } catch (const std::exception& e) {
    if (!stopping_) log::warn("weights for {}: {}", link.peer_address(), e.what());
  }
}

void Cluster::Impl::on_agent_frame(Peer& peer, const link::Frame& frame, bool is_local) {
  const auto type = static_cast<Message>(frame.type);
  if (peer.agent == 0) {
    if (type != Message::kAgentHello) throw Error(Code::kCorrupt, "an agent did not say hello");
    AgentRecord record{.hello = link::decode_message<link::AgentHello>(frame.payload), .is_local = is_local,
                       .head_address = peer.link().local_address(), .joined = SteadyTime::now()};
    {
      std::lock_guard lock(peers_mutex_);
      record.id = peer.agent = next_agent_++;
      const auto it = std::find_if(newcomers_.begin(), newcomers_.end(), [&](const auto& p) { return p.get() == &peer; });
      if (it == newcomers_.end()) return;
      agents_[peer.agent] = *it;
      newcomers_.erase(it);
    }
    if (!is_local) {
      log::info("{} joins from {}{}: {}, {} threads, {} for tandem, reads {:.1f} GB/s", record.hello.machine, record.hello.address,
                record.hello.interface.empty() ? "" : " (" + record.hello.interface + ")", record.hello.cpu, record.hello.num_threads,
                format_bytes(record.hello.memory_budget_bytes), record.hello.read_gb_s);
    }
    peer.send(Message::kAgentWelcome, encode_message(link::AgentWelcome{.head_version = TANDEM_VERSION, .model = options_.model}));
    post([record](Coordinator& c, TimePoint now) { c.agent_joined(record, now); });
    return;
  }
  switch (type) {
    case Message::kStageExited: {
      const auto exit = link::decode_message<link::StageExited>(frame.payload);
      for (const auto& line : exit.last_lines) log_lines({.stage = exit.stage, .level = "warning", .lines = {line}});
      post([exit](Coordinator& c, TimePoint now) { c.stage_exited(exit, now); });
      return;
    }
    case Message::kLogLines: log_lines(link::decode_message<link::LogLines>(frame.payload)); return;
    case Message::kSliceProgress:
      post([m = link::decode_message<link::SliceProgress>(frame.payload)](Coordinator& c, TimePoint) { c.slice_progress(m); });
      return;
    case Message::kSliceReady:
      post([m = link::decode_message<link::SliceReady>(frame.payload)](Coordinator& c, TimePoint now) { c.slice_ready(m, now); });
      return;
    case Message::kSliceFailed:
      post([m = link::decode_message<link::SliceFailed>(frame.payload)](Coordinator& c, TimePoint now) { c.slice_failed(m, now); });
      return;
    default: throw Error(Code::kCorrupt, "an agent sent frame type " + std::to_string(frame.type));
  }
}

void Cluster::Impl::on_stage_frame(Peer& peer, const link::Frame& frame) {
  const auto type = static_cast<Message>(frame.type);
  if (peer.stage.empty()) {
    if (type != Message::kStageHello) throw Error(Code::kCorrupt, "a stage did not say hello");
    const auto hello = link::decode_message<link::StageHello>(frame.payload);
    {
      std::lock_guard lock(peers_mutex_);
      const auto it = std::find_if(newcomers_.begin(), newcomers_.end(), [&](const auto& p) { return p.get() == &peer; });
      if (it == newcomers_.end() || stages_.contains(hello.stage)) throw Error(Code::kCorrupt, "stage " + hello.stage + " connected twice");
      peer.stage = hello.stage;
      stages_[hello.stage] = *it;
      newcomers_.erase(it);
    }
    post([this, hello](Coordinator& c, TimePoint now) {
      if (!c.stage_connected(hello, now)) drop_stage(hello.stage);
    });
    return;
  }
  const std::string& stage = peer.stage;
  switch (type) {
    case Message::kResult: on_result(peer, frame); return;
    case Message::kStoreSet:
      for (auto& [waiting, payload] : store_.set(link::decode_store_entry(frame.payload))) {
        if (const auto to = stage_peer(waiting)) to->send(Message::kStoreValue, payload);
      }
      return;
    case Message::kStoreGet:
      if (const auto value = store_.get(link::decode_message<link::StoreGet>(frame.payload), stage)) peer.send(Message::kStoreValue, *value);
      return;
    case Message::kFormed:
      post([stage, m = link::decode_message<link::Formed>(frame.payload)](Coordinator& c, TimePoint now) { c.formed(stage, m.generation, now); });
      return;
    case Message::kLoadProgress:
      post([stage, m = link::decode_message<link::LoadProgress>(frame.payload)](Coordinator& c, TimePoint) { c.load_progress(stage, m); });
      return;
    case Message::kLoaded:
      post([stage, m = link::decode_message<link::Loaded>(frame.payload)](Coordinator& c, TimePoint now) { c.loaded(stage, m, now); });
      return;
    case Message::kBegan:
      deadlines_.begin(stage, peer.counters().steps);
      post([stage, m = link::decode_message<link::Began>(frame.payload)](Coordinator& c, TimePoint now) { c.began(stage, m.generation, now); });
      return;
    case Message::kFailed:
      post([stage, m = link::decode_message<link::Failed>(frame.payload)](Coordinator& c, TimePoint now) { c.failed(stage, m, now); });
      return;
    default: throw Error(Code::kCorrupt, "a stage sent frame type " + std::to_string(frame.type));
  }
}

void Cluster::Impl::on_result(const Peer& peer, const link::Frame& frame) {
  step::StepResult result = step::decode_result(frame.payload);
  {
    std::lock_guard lock(state_mutex_);
    if (mesh_.generation != result.generation || mesh_.stages.empty() || mesh_.stages.back().get() != &peer) return;
  }
  deadlines_.done(result.number, SteadyTime::now());
  outcomes_.send(step::StepOutcome(std::move(result)));
}

void Cluster::Impl::on_end(Peer& peer, const std::string& why) {
  if (stopping_) return;
  const std::string stage = peer.stage;
  const AgentId agent = peer.agent;
  {
    std::lock_guard lock(peers_mutex_);
    const auto keep = [&](std::shared_ptr<Peer> ended) { ended_.push_back(std::move(ended)); };
    // Its own thread runs this: the coordinator's thread lets go of the last reference.
    if (!stage.empty() && stages_.contains(stage) && stages_[stage].get() == &peer) {
      keep(std::move(stages_[stage]));
      stages_.erase(stage);
    } else if (agent != 0 && agents_.contains(agent)) {
      keep(std::move(agents_[agent]));
      agents_.erase(agent);
    } else {
      const auto it = std::find_if(newcomers_.begin(), newcomers_.end(), [&](const auto& p) { return p.get() == &peer; });
      if (it != newcomers_.end()) {
        keep(std::move(*it));
        newcomers_.erase(it);
      }
    }
  }
  if (!stage.empty()) {
    slices_.forget(stage);
    post([stage, why](Coordinator& c, TimePoint now) { c.stage_lost(stage, why, now); });
  } else if (agent != 0) {
    post([agent, why](Coordinator& c, TimePoint now) { c.agent_lost(agent, why, now); });
  } else {
    post([](Coordinator&, TimePoint) {});
  }
}

void Cluster::Impl::log_lines(const link::LogLines& lines) const {
  std::string name = "an agent";
  {
    std::lock_guard lock(state_mutex_);
    if (const auto it = stage_names_.find(lines.stage); it != stage_names_.end()) name = it->second;
  }
  for (const std::string& line : lines.lines) log::warn("{}: {}", name, line);
}

std::shared_ptr<Peer> Cluster::Impl::stage_peer(const std::string& stage) const {
  std::lock_guard lock(peers_mutex_);
  const auto it = stages_.find(stage);
  return it == stages_.end() ? nullptr : it->second;
}

void Cluster::Impl::to_agent(AgentId agent, Message type, Bytes payload) {
  std::shared_ptr<Peer> peer;
  {
    std::lock_guard lock(peers_mutex_);
    if (const auto it = agents_.find(agent); it != agents_.end()) peer = it->second;
  }
  if (peer) peer->send(type, payload);
}

void Cluster::Impl::to_stage(const std::string& stage, Message type, Bytes payload) {
  if (type == Message::kForm) store_.begin(link::decode_message<link::Form>(payload).generation);
  if (const auto peer = stage_peer(stage)) peer->send(type, payload);
}

void Cluster::Impl::drop_stage(const std::string& stage) {
  if (const auto peer = stage_peer(stage)) peer->close("dropped by the head");
}

void Cluster::Impl::prepare_slice(AgentId agent, const std::string& stage, const checkpoint::Share& share) {
  std::lock_guard lock(peers_mutex_);
  helpers_.emplace_back([this, agent, stage, share] {
    try {
      const auto message = slices_.prepare(stage, share);
      to_agent(agent, Message::kPrepareSlice, encode_message(message));
    } catch (const std::exception& e) {
      post([failed = link::SliceFailed{stage, e.what()}](Coordinator& c, TimePoint now) { c.slice_failed(failed, now); });
    }
  });
}

void Cluster::Impl::generation_ended(const step::GenerationEnded& ended) {
  {
    std::lock_guard lock(state_mutex_);
    mesh_ = {};
    info_.state = step::RunnerInfo::State::kForming;
    info_.reason = ended.reason;
  }
  deadlines_.clear();
  outcomes_.send(step::StepOutcome(ended));
}

void Cluster::Impl::submit(const step::StepPlan& plan) {
  std::vector<std::shared_ptr<Peer>> stages;
  {
    std::lock_guard lock(state_mutex_);
    if (mesh_.generation != plan.generation) return;
    stages = mesh_.stages;
  }
  deadlines_.submitted(plan.number, plan.num_tokens(), SteadyTime::now());
  const auto bytes = step::encode(plan);
  for (const auto& stage : stages) {
    if (stage) stage->send(Message::kPlan, bytes);
  }
}

std::optional<step::StepOutcome> Cluster::Impl::wait() {
  auto outcome = outcomes_.receive();
  if (!outcome || !*outcome) {
    is_interrupted_ = false;
    return std::nullopt;
  }
  return std::move(**outcome);
}

void Cluster::Impl::interrupt() {
  if (!is_interrupted_.exchange(true)) outcomes_.send(std::nullopt);
}

Cluster::Cluster(ClusterOptions options, checkpoint::Checkpoint checkpoint)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(checkpoint))) {}
Cluster::~Cluster() = default;
step::RunnerInfo Cluster::info() const { return impl_->info(); }
void Cluster::submit(const step::StepPlan& plan) { impl_->submit(plan); }
std::optional<step::StepOutcome> Cluster::wait() { return impl_->wait(); }
void Cluster::interrupt() { impl_->interrupt(); }
std::uint16_t Cluster::port() const { return impl_->port(); }
void Cluster::set_secret(link::Secret secret) { impl_->set_secret(secret); }
std::optional<Error> Cluster::fatal() const { return impl_->fatal(); }
Json Cluster::status() const { return impl_->status(); }
bool Cluster::wait_until_ready(std::chrono::steady_clock::time_point deadline) const { return impl_->wait_until_ready(deadline); }

}  // namespace tandem::cluster
