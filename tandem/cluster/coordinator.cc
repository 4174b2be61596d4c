#include "tandem/cluster/coordinator.h"

#include <algorithm>
#include <utility>

#include "tandem/base/error.h"
#include "tandem/base/log.h"
#include "tandem/base/strings.h"
#include "tandem/cluster/slice_messages.h"

namespace tandem::cluster {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kFirstBackoff{200}, kLastBackoff{5000};
constexpr int kMaxLoadFailures = 3;
// With --nodes N..M the head waits so long after the last arrival for one more.
constexpr seconds kGraceForMore{10};

std::string describe_exit(const link::StageExited& exit) {
  std::string text;
  if (exit.signal == 9) {
    text = "killed by signal 9 (status 137: likely out of memory, or killed by hand)";
  } else if (exit.signal != 0) {
    text = "ended by signal " + std::to_string(exit.signal);
  } else {
    text = "exited with status " + std::to_string(exit.exit_code);
  }
  if (exit.exit_code == 137) text += " (likely out of memory)";
  for (auto it = exit.last_lines.rbegin(); it != exit.last_lines.rend(); ++it) {
    if (!trim(*it).empty()) return text + "; its last line: " + *it;
  }
  return text;
}

}  // namespace

std::string_view to_string(Slot::State state) {
  switch (state) {
    case Slot::State::kNoMachine: return "no machine";
    case Slot::State::kAbsent: return "absent";
    case Slot::State::kStarting: return "starting";
    case Slot::State::kStopping: return "stopping";
    case Slot::State::kIdle: return "connected";
    case Slot::State::kFormed: return "formed";
    case Slot::State::kReady: return "ready";
    case Slot::State::kDown: return "down";
  }
  return "unknown";
}

Coordinator::Coordinator(CoordinatorOptions options, Outbox& outbox) : options_(std::move(options)), outbox_(outbox) {}

void Coordinator::agent_joined(AgentRecord agent, TimePoint now) {
  // An agent that saw its link break joins again before the head has missed it.
  const auto before = std::find_if(agents_.begin(), agents_.end(),
                                   [&](const auto& entry) { return entry.second.hello.instance == agent.hello.instance; });
  if (before != agents_.end()) agent_lost(before->first, "it joined again over a new link", now);
  last_join_ = now;
  if (agent.hello.machine_id.empty()) agent.hello.machine_id = agent.hello.machine;
  agent.hello.machine = unambiguous_name(agent.hello);
  const AgentId id = agent.id;
  agents_[id] = std::move(agent);
  advance(now);
}

// Every Mac mini is called "Mac-mini" until somebody renames it.
std::string Coordinator::unambiguous_name(const link::AgentHello& hello) const {
  const auto is_anothers = [&](const std::string& name) {
    return std::any_of(agents_.begin(), agents_.end(), [&](const auto& entry) {
      return entry.second.hello.machine == name && entry.second.hello.machine_id != hello.machine_id;
    });
  };
  std::string name = hello.machine;
  for (int i = 2; is_anothers(name); ++i) name = hello.machine + "#" + std::to_string(i);
  return name;
}

void Coordinator::agent_lost(AgentId agent, const std::string& why, TimePoint now) {
  const auto it = agents_.find(agent);
  if (it == agents_.end()) return;
  const std::string machine = it->second.hello.machine;
  agents_.erase(it);
  for (Slot& slot : slots_) {
    if (slot.agent != agent) continue;
    lose_stage(slot, "machine " + machine + " is gone: " + why, /*must_stop=*/false, now);
    slot.agent.reset();
    slot.slice_requested = slot.slice_ready = false;
    if (slot.state != Slot::State::kDown) slot.state = Slot::State::kNoMachine;
  }
  advance(now);
}

void Coordinator::stage_exited(const link::StageExited& exit, TimePoint now) {
  Slot* slot = find_stage(exit.stage);
  if (slot == nullptr) return;
  const std::string why = describe_exit(exit);
  // A stage that cannot even say hello counts as well: a library is missing, or memory ends while libtorch loads.
  const bool never_spoke = slot->state == Slot::State::kStarting;
  const bool was_loading = never_spoke || (slot->load_sent && !slot->is_loaded);
  if (slot->state == Slot::State::kStopping) {
    // The link broke a moment before its cause was known.
    const bool was_silent = slot->last_error.starts_with("silent");
    slot->last_error = was_silent ? slot->last_error + "; " + why : why;
    reason_ = name_of(*slot) + " is missing: " + slot->last_error;
  } else {
    lose_stage(*slot, why, /*must_stop=*/false, now);
  }
  if (was_loading && ++slot->load_failures >= kMaxLoadFailures) {
    slot->state = Slot::State::kDown;
    reason_ = name_of(*slot) + " died " + std::to_string(kMaxLoadFailures) + " times while loading and stays down: " + why;
    log::error("{}", reason_);
    set_phase(Phase::kFailed);
  } else if (slot->state != Slot::State::kDown) {
    slot->state = Slot::State::kAbsent;
  }
  slot->stage.clear();
  advance(now);
}

bool Coordinator::stage_connected(const link::StageHello& hello, TimePoint now) {
  Slot* slot = find_stage(hello.stage);
  if (slot == nullptr || slot->state != Slot::State::kStarting) return false;
  slot->state = Slot::State::kIdle;
  slot->device = hello.device;
  slot->transport = hello.transport;
  slot->kernels = hello.kernels;
  advance(now);
  return true;
}

void Coordinator::stage_lost(const std::string& stage, const std::string& why, TimePoint now) {
  Slot* slot = find_stage(stage);
  if (slot == nullptr || slot->state == Slot::State::kStopping) return;
  lose_stage(*slot, why, /*must_stop=*/true, now);
  advance(now);
}

void Coordinator::lose_stage(Slot& slot, const std::string& why, bool must_stop, TimePoint now) {
  if (slot.stage.empty()) return;
  slot.last_error = why;
  const std::string reason = name_of(slot) + " is missing: " + why;
  if (must_stop && slot.agent) {
    outbox_.to_agent(*slot.agent, link::Message::kStopStage,
                     encode_message(link::StopStage{.stage = slot.stage, .reason = why}));
  }
  outbox_.drop_stage(slot.stage);
  slot.state = must_stop ? Slot::State::kStopping : Slot::State::kAbsent;
  if (!must_stop) slot.stage.clear();
  const bool was_loading = slot.load_sent && !slot.is_loaded;
  slot.is_loaded = false;
  if (!was_loading) slot.load_sent = false;
  slot.done_bytes = slot.total_bytes = 0;
  retry_later(slot, now);
  end_generation(reason, now);
}

void Coordinator::retry_later(Slot& slot, TimePoint now) {
  // A stage that had been well for a while starts again at once.
  if (now - slot.retry_at > seconds(30)) slot.backoff = milliseconds(0);
  slot.retry_at = now + slot.backoff;
  slot.backoff = std::clamp(slot.backoff * 2, kFirstBackoff, kLastBackoff);
}

void Coordinator::slice_progress(const link::SliceProgress& progress) {
  Slot* slot = find_stage(progress.stage);
  if (slot == nullptr) return;
  slot->done_bytes = progress.done_bytes;
  slot->total_bytes = progress.total_bytes;
  outbox_.state_changed();
}

void Coordinator::slice_ready(const link::SliceReady& ready, TimePoint now) {
  Slot* slot = find_stage(ready.stage);
  if (slot == nullptr) return;
  slot->slice_ready = true;
  slot->folder = ready.folder;
  log::info("{} has its weights ({})", name_of(*slot), ready.source);
  advance(now);
}

void Coordinator::slice_failed(const link::SliceFailed& failed, TimePoint now) {
  Slot* slot = find_stage(failed.stage);
  if (slot == nullptr) return;
  slot->slice_requested = false;
  slot->last_error = failed.reason;
  log::warn("{} could not get its weights: {}", name_of(*slot), failed.reason);
  reason_ = name_of(*slot) + " could not get its weights: " + failed.reason;
  retry_later(*slot, now);
  outbox_.state_changed();
}

void Coordinator::formed(const std::string& stage, std::uint64_t generation, TimePoint now) {
  Slot* slot = find_stage(stage);
  if (slot == nullptr || generation != generation_ || phase_ != Phase::kForming) return;
  slot->state = Slot::State::kFormed;
  advance(now);
}

void Coordinator::load_progress(const std::string& stage, const link::LoadProgress& progress) {
  Slot* slot = find_stage(stage);
  if (slot == nullptr) return;
  slot->done_bytes = progress.done_bytes;
  slot->total_bytes = progress.total_bytes;
  outbox_.state_changed();
}

void Coordinator::loaded(const std::string& stage, const link::Loaded& loaded, TimePoint now) {
  Slot* slot = find_stage(stage);
  if (slot == nullptr) return;
  slot->is_loaded = true;
  slot->load_failures = 0;
  slot->loaded = loaded;
  log::info("{} loaded {} in {:.1f} s", name_of(*slot), format_bytes(loaded.weight_bytes), loaded.seconds);
  advance(now);
}

void Coordinator::began(const std::string& stage, std::uint64_t generation, TimePoint now) {
  Slot* slot = find_stage(stage);
  if (slot == nullptr || generation != generation_ || phase_ != Phase::kBeginning) return;
  slot->state = Slot::State::kReady;
  advance(now);
}

void Coordinator::failed(const std::string& stage, const link::Failed& failed, TimePoint now) {
  Slot* slot = find_stage(stage);
  if (slot == nullptr) return;
  const std::string reason = name_of(*slot) + ": " + failed.reason;
  slot->last_error = failed.reason;
  if (failed.phase == "load") {
    slot->load_sent = false;
    retry_later(*slot, now);
    if (++slot->load_failures >= kMaxLoadFailures || failed.code == "corrupt" || failed.code == "unsupported" ||
        failed.code == "does_not_fit") {
      slot->state = Slot::State::kDown;
      reason_ = name_of(*slot) + " cannot load its weights: " + failed.reason;
      log::error("{}", reason_);
      set_phase(Phase::kFailed);
      return;
    }
    log::warn("{} cannot load its weights: {}", name_of(*slot), failed.reason);
  } else if (failed.generation == generation_) {
    retry_later(*slot, now);
    end_generation(reason, now);
  }
  advance(now);
}

void Coordinator::wedged(std::int32_t rank, const std::string& why, TimePoint now) {
  if (rank < 0 || rank >= static_cast<std::int32_t>(slots_.size())) return;
  lose_stage(slots_[rank], why, /*must_stop=*/true, now);
  advance(now);
}

void Coordinator::tick(TimePoint now) { advance(now); }

void Coordinator::advance(TimePoint now) {
  if (phase_ == Phase::kFailed) return;
  if (slots_.empty() && !choose_members(now)) return;
  assign_agents();
  start_stages(now);
  const auto is_connected = [](const Slot& slot) { return slot.state >= Slot::State::kIdle && slot.state != Slot::State::kDown; };
  if (phase_ <= Phase::kStarting) {
    const auto may_form = [&](const Slot& slot) { return is_connected(slot) && now >= slot.retry_at; };
    if (all(may_form)) form();
  }
  if (phase_ == Phase::kForming && all([](const Slot& s) { return s.state == Slot::State::kFormed; })) set_phase(Phase::kLoading);
  if (phase_ == Phase::kLoading) {
    prepare_and_load();
    if (all([](const Slot& slot) { return slot.is_loaded; })) begin();
  }
  if (phase_ == Phase::kBeginning && all([](const Slot& s) { return s.state == Slot::State::kReady; })) {
    reason_.clear();
    set_phase(Phase::kReady);
    log::info("generation {} is ready: {} rank{}, {} tokens of KV, {} requests of full context", generation_, slots_.size(),
              slots_.size() == 1 ? "" : "s", static_cast<std::int64_t>(num_blocks_) * options_.block_size,
              static_cast<std::int64_t>(num_blocks_) * options_.block_size / std::max(1, max_model_len_));
  }
}

std::vector<const AgentRecord*> Coordinator::candidates() const {
  std::vector<const AgentRecord*> members;
  for (const auto& [id, agent] : agents_) {
    if (!agent.is_local || options_.has_local_rank) members.push_back(&agent);
  }
  // The head's own machine first, then whoever asked for a rank, then by arrival.
  const auto key = [](const AgentRecord* agent) {
    const std::int32_t wanted = agent->hello.preferred_rank < 0 ? 1 << 20 : agent->hello.preferred_rank;
    return std::make_tuple(!agent->is_local, wanted, agent->joined, agent->id);
  };
  std::sort(members.begin(), members.end(), [&](const auto* a, const auto* b) { return key(a) < key(b); });
  return members;
}

bool Coordinator::choose_members(TimePoint now) {
  auto members = candidates();
  const auto count = static_cast<int>(members.size());
  if (count < options_.min_nodes) return false;
  if (count < options_.max_nodes && now - last_join_ < kGraceForMore) return false;
  members.resize(std::min(count, options_.max_nodes));
  try {
    plan_shares(members);
  } catch (const Error& e) {
    reason_ = e.what();
    if (e.code() != Code::kDoesNotFit || count >= options_.max_nodes) fatal_ = e;
    log::error("{}", reason_);
    set_phase(fatal_ ? Phase::kFailed : Phase::kWaiting);
    return false;
  }
  set_phase(Phase::kStarting);
  return true;
}

void Coordinator::plan_shares(const std::vector<const AgentRecord*>& members) {
  PartitionRequest request{.sizes = options_.sizes, .split = options_.split};
  std::vector<AgentId> owners;
  for (const AgentRecord* agent : members) {
    const int stages = agent->is_local ? options_.num_local_stages : 1;
    for (int i = 0; i < stages; ++i) {
      request.ranks.push_back({agent->hello.machine, agent->hello.machine_id, agent->hello.memory_budget_bytes,
                               agent->hello.read_gb_s / stages});
      owners.push_back(agent->id);
    }
  }
  // Room for one request of the wanted length, or of 4,096 tokens when nobody said.
  const std::int32_t wanted = options_.max_model_len > 0 ? options_.max_model_len : std::min(options_.model_max_position, 4096);
  request.kv_tokens = wanted + options_.block_size;
  const auto plan = partition(request);
  slots_.resize(plan.size());
  for (std::size_t rank = 0; rank < plan.size(); ++rank) {
    slots_[rank].plan = plan[rank];
    slots_[rank].preferred_machine = request.ranks[rank].machine_id;
    slots_[rank].agent = owners[rank];
    slots_[rank].state = Slot::State::kAbsent;
  }
  log::info("the split:\n{}", to_table(plan));
}

// A slot without a machine takes its old one back, else any machine that has the budget and nothing to do.
void Coordinator::assign_agents() {
  for (Slot& slot : slots_) {
    if (slot.agent || slot.state == Slot::State::kDown) continue;
    const AgentRecord* chosen = nullptr;
    for (const AgentRecord* agent : candidates()) {
      const auto num_stages = std::count_if(slots_.begin(), slots_.end(), [&](const Slot& s) { return s.agent == agent->id; });
      const bool is_full = num_stages >= (agent->is_local ? options_.num_local_stages : 1);
      const bool is_old = agent->hello.machine_id == slot.preferred_machine;
      if (is_full || agent->hello.memory_budget_bytes < slot.plan.weight_bytes + kStageOverheadBytes) continue;
      if (chosen == nullptr || is_old) chosen = agent;
      if (is_old) break;
    }
    if (chosen == nullptr) continue;
    slot.agent = chosen->id;
    slot.plan.machine = chosen->hello.machine;
    slot.state = Slot::State::kAbsent;
  }
}

void Coordinator::start_stages(TimePoint now) {
  for (std::size_t rank = 0; rank < slots_.size(); ++rank) {
    Slot& slot = slots_[rank];
    if (slot.state != Slot::State::kAbsent || !slot.agent || now < slot.retry_at) continue;
    const AgentRecord& agent = agents_.at(*slot.agent);
    const auto stages_there = static_cast<std::int32_t>(
        std::count_if(slots_.begin(), slots_.end(), [&](const Slot& s) { return s.agent == slot.agent; }));
    slot.stage = "s" + std::to_string(next_stage_++);
    slot.state = Slot::State::kStarting;
    slot.load_sent = slot.is_loaded = slot.slice_requested = slot.slice_ready = false;
    slot.device.clear();
    outbox_.to_agent(*slot.agent, link::Message::kStartStage,
                     encode_message(link::StartStage{.stage = slot.stage,
                                                     .deployment = options_.deployment,
                                                     .rank = static_cast<std::int32_t>(rank),
                                                     .num_threads = std::max(1, agent.hello.num_threads / stages_there),
                                                     .device = options_.device,
                                                     .ops = options_.ops,
                                                     .kernels = options_.kernels}));
    outbox_.state_changed();
  }
}

void Coordinator::form() {
  ++generation_;
  set_phase(Phase::kForming);
  std::vector<std::string> addresses, names;
  for (Slot& slot : slots_) {
    const link::InterfaceAddress place = place_of(slot);
    slot.address = place.address;
    slot.interface = place.interface;
    addresses.push_back(slot.address);
    names.push_back(slot.plan.machine);
  }
  for (std::size_t rank = 0; rank < slots_.size(); ++rank) {
    slots_[rank].state = Slot::State::kIdle;
    outbox_.to_stage(slots_[rank].stage, link::Message::kForm,
                     encode_message(link::Form{.generation = generation_,
                                               .rank = static_cast<std::int32_t>(rank),
                                               .size = static_cast<std::int32_t>(slots_.size()),
                                               .address = addresses[rank],
                                               .peer_addresses = addresses,
                                               .peer_names = names}));
  }
}

void Coordinator::prepare_and_load() {
  for (Slot& slot : slots_) {
    if (!slot.agent) continue;
    if (agents_.at(*slot.agent).is_local && !slot.slice_ready) {
      slot.slice_ready = true;
      slot.folder = options_.model_folder;
    }
    if (!slot.slice_ready && !slot.slice_requested) {
      slot.slice_requested = true;
      outbox_.prepare_slice(*slot.agent, slot.stage, slot.plan.share);
    }
    if (!slot.slice_ready || slot.load_sent || slot.is_loaded) continue;
    slot.load_sent = true;
    outbox_.to_stage(slot.stage, link::Message::kLoad,
                     encode_message(link::Load{.folder = slot.folder,
                                               .share = to_message(slot.plan.share),
                                               .dtype = options_.dtype,
                                               .kv_dtype = options_.kv_dtype,
                                               .vocab_limit = options_.vocab_limit,
                                               .block_size = options_.block_size}));
  }
}

// As many blocks as every rank can hold, but no more than all sequences of full length could ever use.
void Coordinator::begin() {
  const std::int32_t wanted_len = options_.max_model_len > 0 ? options_.max_model_len : options_.model_max_position;
  const std::int64_t blocks_per_sequence = wanted_len / options_.block_size + 1;
  std::int64_t num_blocks = std::min<std::int64_t>(blocks_per_sequence * options_.max_num_seqs, 1 << 22);
  for (const Slot& slot : slots_) {
    const std::uint64_t used = slot.loaded.weight_bytes + options_.sizes.activation_bytes + kStageOverheadBytes +
                               (slot.plan.share.head ? options_.sizes.logits_bytes : 0);
    const std::uint64_t left = slot.plan.budget_bytes > used ? slot.plan.budget_bytes - used : 0;
    num_blocks = std::min<std::int64_t>(num_blocks, static_cast<std::int64_t>(left / std::max<std::uint64_t>(1, slot.loaded.kv_block_bytes)));
  }
  if (num_blocks < 2) {
    reason_ = "no memory is left for KV after the weights: raise --memory or add a machine";
    fatal_ = Error(Code::kDoesNotFit, reason_);
    log::error("{}", reason_);
    set_phase(Phase::kFailed);
    return;
  }
  num_blocks_ = static_cast<std::int32_t>(num_blocks);
  max_model_len_ = static_cast<std::int32_t>(std::min<std::int64_t>(wanted_len, num_blocks * options_.block_size));
  if (max_model_len_ < wanted_len) {
    log::warn("the context is lowered from {} to {} tokens: that is what the KV memory holds", wanted_len, max_model_len_);
  }
  set_phase(Phase::kBeginning);
  for (const Slot& slot : slots_) {
    outbox_.to_stage(slot.stage, link::Message::kBegin,
                     encode_message(link::Begin{.generation = generation_,
                                                .num_blocks = num_blocks_,
                                                .block_size = options_.block_size,
                                                .max_model_len = max_model_len_}));
  }
}

void Coordinator::end_generation(const std::string& reason, TimePoint now) {
  if (phase_ < Phase::kForming || phase_ == Phase::kFailed) {
    reason_ = reason;
    outbox_.state_changed();
    return;
  }
  log::warn("generation {} ends: {}", generation_, reason);
  const std::uint64_t ended = generation_;
  for (Slot& slot : slots_) {
    if (slot.state < Slot::State::kIdle || slot.state == Slot::State::kDown) continue;
    slot.state = Slot::State::kIdle;
    slot.retry_at = std::max(slot.retry_at, now);
    outbox_.to_stage(slot.stage, link::Message::kEndGeneration, encode_message(link::EndGeneration{.generation = ended}));
  }
  reason_ = reason;
  set_phase(Phase::kStarting);
  outbox_.generation_ended({.generation = ended, .reason = reason});
}

Slot* Coordinator::find_stage(const std::string& stage) {
  if (stage.empty()) return nullptr;
  const auto it = std::find_if(slots_.begin(), slots_.end(), [&](const Slot& slot) { return slot.stage == stage; });
  return it == slots_.end() ? nullptr : &*it;
}

// A machine's ranks meet the others where its agent says; the head's own, where the first remote agent reached the head.
link::InterfaceAddress Coordinator::place_of(const Slot& slot) const {
  const AgentRecord& agent = agents_.at(*slot.agent);
  if (!agent.is_local || !agent.hello.address.empty()) return {agent.hello.interface, agent.hello.address};
  for (const Slot& other : slots_) {
    if (!other.agent) continue;
    const AgentRecord& remote = agents_.at(*other.agent);
    if (!remote.is_local) return remote.head_end;
  }
  return {"", "127.0.0.1"};
}

std::string Coordinator::name_of(const Slot& slot) const {
  return format("rank %zd (%s)", static_cast<std::ptrdiff_t>(&slot - slots_.data()), slot.plan.machine.c_str());
}

bool Coordinator::all(const std::function<bool(const Slot&)>& holds) const {
  return !slots_.empty() && std::all_of(slots_.begin(), slots_.end(), holds);
}

void Coordinator::set_phase(Phase phase) {
  phase_ = phase;
  outbox_.state_changed();
}

step::RunnerInfo Coordinator::info() const {
  step::RunnerInfo info{.deployment = options_.deployment, .generation = generation_, .num_blocks = num_blocks_};
  info.block_size = options_.block_size;
  info.num_ranks = static_cast<std::int32_t>(slots_.size());
  info.max_model_len = max_model_len_;
  switch (phase_) {
    case Phase::kReady: info.state = step::RunnerInfo::State::kReady; return info;
    case Phase::kFailed: info.state = step::RunnerInfo::State::kFailed; break;
    case Phase::kLoading:
    case Phase::kBeginning: info.state = step::RunnerInfo::State::kLoading; break;
    default: info.state = step::RunnerInfo::State::kForming;
  }
  info.reason = reason_;
  if (info.reason.empty()) info.reason = waiting_for();
  if (info.reason.empty()) info.reason = info.state == step::RunnerInfo::State::kLoading ? "the weights are loading" : "the ranks are starting";
  return info;
}

std::string Coordinator::waiting_for() const {
  if (slots_.empty()) {
    const auto present = static_cast<int>(candidates().size());
    if (present >= options_.min_nodes) return "";
    const int missing = options_.min_nodes - present;
    return format("waiting for %d more machine%s (%d of %d here)", missing, missing == 1 ? "" : "s", present, options_.min_nodes);
  }
  std::vector<std::string> missing;
  for (const Slot& slot : slots_) {
    if (slot.state >= Slot::State::kIdle && slot.state != Slot::State::kDown) continue;
    missing.push_back(name_of(slot) + (slot.last_error.empty() ? "" : ": " + slot.last_error));
  }
  return missing.empty() ? "" : "waiting for " + join(missing, "; ");
}

std::vector<std::string> Coordinator::stages() const {
  std::vector<std::string> stages;
  for (const Slot& slot : slots_) stages.push_back(slot.stage);
  return stages;
}

}  // namespace tandem::cluster
