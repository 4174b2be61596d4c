#include "tandem/cluster/cluster.h"

#include <algorithm>
#include <utility>

#include "tandem/base/clock.h"
#include "tandem/base/log.h"
#include "tandem/base/strings.h"
#include "tandem/cluster/cluster_impl.h"
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

Cluster::Impl::Impl(ClusterOptions options, checkpoint::Checkpoint checkpoint)
    : options_(std::move(options)), slices_(std::move(checkpoint), options_.hub_name, options_.cache_folder / "hashes") {
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
