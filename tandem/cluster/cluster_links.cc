#include <algorithm>
#include <utility>

#include "tandem/base/log.h"
#include "tandem/base/strings.h"
#include "tandem/cluster/cluster_impl.h"
#include "tandem/step/codec.h"

namespace tandem::cluster {

using link::Message;
using std::chrono::seconds;
using SteadyTime = std::chrono::steady_clock;

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
    link.close_gently(SteadyTime::now() + seconds(1));  // a reset could swallow the sentence
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
    const std::string head_address = peer.link().local_address();
    AgentRecord record{.hello = link::decode_message<link::AgentHello>(frame.payload), .is_local = is_local,
                       .head_end = {link::interface_of(head_address), head_address}, .joined = SteadyTime::now()};
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
      log_lines({.stage = exit.stage, .level = "warning", .lines = exit.last_lines});
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
  // What a stage only tells travels with its last lines, for whoever looks for the cause of its end.
  for (const std::string& line : lines.lines) {
    line.starts_with("info: ") ? log::info("{}: {}", name, line.substr(6)) : log::warn("{}: {}", name, line);
  }
}

}  // namespace tandem::cluster
