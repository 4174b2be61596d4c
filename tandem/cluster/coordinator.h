// The head's picture of its cluster and every decision about it: who runs which share, when a generation forms, what a loss
// leads to. Pure bookkeeping over events, without threads, sockets or clocks of its own; Cluster feeds it from one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tandem/cluster/partition.h"
#include "tandem/link/addresses.h"
#include "tandem/link/messages.h"
#include "tandem/step/step_runner.h"

namespace tandem::cluster {

using AgentId = std::uint64_t;
using TimePoint = std::chrono::steady_clock::time_point;

/// What the coordinator asks of the world. Called on the coordinator's thread.
class Outbox {
 public:
  virtual ~Outbox() = default;
  virtual void to_agent(AgentId agent, link::Message type, Bytes payload) = 0;
  virtual void to_stage(const std::string& stage, link::Message type, Bytes payload) = 0;
  /// Drops the stage's link if it is still there.
  virtual void drop_stage(const std::string& stage) = 0;
  /// Hashes the share's tensors off this thread and sends kPrepareSlice, or reports slice_failed.
  virtual void prepare_slice(AgentId agent, const std::string& stage, const checkpoint::Share& share) = 0;
  virtual void generation_ended(const step::GenerationEnded& ended) = 0;
  /// The state that `info()` and GET /cluster show has changed.
  virtual void state_changed() = 0;
};

struct CoordinatorOptions {
  int min_nodes = 1, max_nodes = 1;     ///< machines, this one included
  int num_local_stages = 1;             ///< --local N: stages on this machine
  bool has_local_rank = true;
  std::vector<std::int32_t> split;
  std::string dtype = "auto", kv_dtype = "auto", device = "auto", ops = "auto", kernels = "auto";
  std::string model_folder;             ///< what local stages open
  std::int32_t max_model_len = 0;       ///< 0: the model's, lowered to what fits
  std::int32_t model_max_position = 0;
  std::int32_t max_num_seqs = 64;
  std::int32_t block_size = 16;
  std::int32_t vocab_limit = 0;
  std::uint32_t deployment = 1;
  ModelSizes sizes;
};

/// An agent that said hello.
struct AgentRecord {
  AgentId id = 0;
  link::AgentHello hello;               ///< `machine` gets a suffix where two machines have one name: "mini", "mini#2"
  bool is_local = false;                ///< the head's own agent: opens the model folder itself
  link::InterfaceAddress head_end;      ///< the head's end of its link; local ranks meet its ranks there
  TimePoint joined;
};

/// One rank's place, kept over generations and losses.
struct Slot {
  enum class State { kNoMachine, kAbsent, kStarting, kStopping, kIdle, kFormed, kReady, kDown };
  State state = State::kNoMachine;
  RankPlan plan;
  std::string preferred_machine;        ///< id of who had it first; another may take it over
  std::optional<AgentId> agent;
  std::string stage;                    ///< id of the present stage; "" when none
  std::string device, transport, kernels, address, interface;
  bool slice_requested = false, slice_ready = false, load_sent = false, is_loaded = false;
  std::string folder;
  link::Loaded loaded;
  std::uint64_t done_bytes = 0, total_bytes = 0;   ///< of streaming or loading
  int load_failures = 0;
  std::string last_error;
  TimePoint retry_at;                   ///< not started again before
  std::chrono::milliseconds backoff{0};
};
std::string_view to_string(Slot::State state);

class Coordinator {
 public:
  enum class Phase { kWaiting, kStarting, kForming, kLoading, kBeginning, kReady, kFailed };

  Coordinator(CoordinatorOptions options, Outbox& outbox);

  // Events. `now` is never earlier than in the call before.
  /// One that is here already under the same instance is taken for lost first.
  void agent_joined(AgentRecord agent, TimePoint now);
  void agent_lost(AgentId agent, const std::string& why, TimePoint now);
  void stage_exited(const link::StageExited& exit, TimePoint now);
  /// False when nobody started such a stage: its link is to be dropped.
  bool stage_connected(const link::StageHello& hello, TimePoint now);
  void stage_lost(const std::string& stage, const std::string& why, TimePoint now);
  void slice_progress(const link::SliceProgress& progress);
  void slice_ready(const link::SliceReady& ready, TimePoint now);
  void slice_failed(const link::SliceFailed& failed, TimePoint now);
  void formed(const std::string& stage, std::uint64_t generation, TimePoint now);
  void load_progress(const std::string& stage, const link::LoadProgress& progress);
  void loaded(const std::string& stage, const link::Loaded& loaded, TimePoint now);
  void began(const std::string& stage, std::uint64_t generation, TimePoint now);
  void failed(const std::string& stage, const link::Failed& failed, TimePoint now);
  /// A plan ran into its deadline: the generation ends and the stage is replaced.
  void wedged(std::int32_t rank, const std::string& why, TimePoint now);
  /// A few times a second: what was to be tried again later.
  void tick(TimePoint now);

  // What is so now.
  Phase phase() const { return phase_; }
  step::RunnerInfo info() const;
  std::uint64_t generation() const { return generation_; }
  const std::vector<Slot>& slots() const { return slots_; }
  const std::map<AgentId, AgentRecord>& agents() const { return agents_; }
  /// For whom the head waits, as a sentence; "" when for nobody.
  std::string waiting_for() const;
  /// Stage ids by rank, once formed.
  std::vector<std::string> stages() const;
  /// Set when serving can never start with these options: what does not fit, a split that is not of this model.
  const std::optional<Error>& fatal() const { return fatal_; }

 private:
  void advance(TimePoint now);
  bool choose_members(TimePoint now);
  std::vector<const AgentRecord*> candidates() const;
  std::string unambiguous_name(const link::AgentHello& hello) const;
  void plan_shares(const std::vector<const AgentRecord*>& members);
  void assign_agents();
  void start_stages(TimePoint now);
  void form();
  void prepare_and_load();
  void begin();
  void end_generation(const std::string& reason, TimePoint now);
  void lose_stage(Slot& slot, const std::string& why, bool must_stop, TimePoint now);
  void retry_later(Slot& slot, TimePoint now);
  Slot* find_stage(const std::string& stage);
  link::InterfaceAddress place_of(const Slot& slot) const;
  std::string name_of(const Slot& slot) const;
  bool all(const std::function<bool(const Slot&)>& holds) const;
  void set_phase(Phase phase);

  const CoordinatorOptions options_;
  Outbox& outbox_;
  Phase phase_ = Phase::kWaiting;
  std::map<AgentId, AgentRecord> agents_;
  std::vector<Slot> slots_;
  std::uint64_t generation_ = 0, next_stage_ = 1;
  std::int32_t num_blocks_ = 0, max_model_len_ = 0;
  std::string reason_;
  std::optional<Error> fatal_;
  TimePoint last_join_;
};

}  // namespace tandem::cluster
