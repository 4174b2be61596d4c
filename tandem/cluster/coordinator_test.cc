#include "tandem/cluster/coordinator.h"

#include <gtest/gtest.h>

#include "tandem/base/error.h"

namespace tandem::cluster {
namespace {

using link::Message;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Records what the coordinator asks for and plays agents and stages that do as they are told.
class FakeWorld : public Outbox {
 public:
  struct Sent {
    std::string to;
    Message type;
    Bytes payload;
  };
  void to_agent(AgentId agent, Message type, Bytes payload) override { sent.push_back({"a" + std::to_string(agent), type, std::move(payload)}); }
  void to_stage(const std::string& stage, Message type, Bytes payload) override { sent.push_back({stage, type, std::move(payload)}); }
  void drop_stage(const std::string& stage) override { dropped.push_back(stage); }
  void prepare_slice(AgentId, const std::string& stage, const checkpoint::Share&) override { prepared.push_back(stage); }
  void generation_ended(const step::GenerationEnded& e) override { ended.push_back(e); }
  void state_changed() override {}

  std::vector<Sent> take(Message type) {
    std::vector<Sent> taken;
    std::erase_if(sent, [&](const Sent& s) {
      if (s.type != type) return false;
      taken.push_back(s);
      return true;
    });
    return taken;
  }
  std::vector<Sent> sent;
  std::vector<std::string> dropped, prepared;
  std::vector<step::GenerationEnded> ended;
};

CoordinatorOptions options(int nodes, int local_stages = 1) {
  CoordinatorOptions o;
  o.min_nodes = o.max_nodes = nodes;
  o.num_local_stages = local_stages;
  o.model_max_position = 1024;
  o.model_folder = "/model";
  o.max_num_seqs = 4;
  o.sizes.layer_bytes.assign(8, 1000);
  o.sizes.kv_bytes_per_token_layer = 16;
  return o;
}

class CoordinatorTest : public ::testing::Test {
 protected:
  FakeWorld world_;
  TimePoint now_{seconds(1000)};
  std::unique_ptr<Coordinator> coordinator_;

  void make(CoordinatorOptions o) { coordinator_ = std::make_unique<Coordinator>(std::move(o), world_); }
  void join(AgentId id, const std::string& machine, bool is_local, const std::string& instance = "") {
    AgentRecord agent{.id = id, .is_local = is_local, .head_end = {"en0", "10.0.0.1"}, .joined = now_};
    agent.hello.machine = machine;
    agent.hello.instance = instance.empty() ? std::to_string(id) : instance;
    agent.hello.address = is_local ? "" : "10.0.0." + std::to_string(id);
    agent.hello.memory_budget_bytes = 8ull << 30;
    agent.hello.read_gb_s = 10;
    agent.hello.num_threads = 4;
    coordinator_->agent_joined(agent, now_);
  }
  // Lets every agent and stage obey until nothing is asked any more.
  void settle() {
    for (int round = 0; round < 50; ++round) {
      const bool idle = world_.sent.empty() && world_.prepared.empty();
      auto sent = std::exchange(world_.sent, {});
      for (const auto& stage : std::exchange(world_.prepared, {})) coordinator_->slice_ready({stage, "/cache", "streamed"}, now_);
      for (const auto& message : sent) obey(message);
      if (idle) return;
    }
  }
  void obey(const FakeWorld::Sent& message) {
    switch (message.type) {
      case Message::kStartStage:
        coordinator_->stage_connected({.stage = link::decode_message<link::StartStage>(message.payload).stage, .device = "cpu"}, now_);
        break;
      case Message::kStopStage:
        coordinator_->stage_exited({.stage = link::decode_message<link::StopStage>(message.payload).stage, .signal = 9}, now_);
        break;
      case Message::kForm:
        coordinator_->formed(message.to, link::decode_message<link::Form>(message.payload).generation, now_);
        break;
      case Message::kLoad:
        coordinator_->loaded(message.to, {.weight_bytes = 1000, .kv_block_bytes = 100, .seconds = 0}, now_);
        break;
      case Message::kBegin:
        coordinator_->began(message.to, link::decode_message<link::Begin>(message.payload).generation, now_);
        break;
      default: break;
    }
  }
  void pass(std::chrono::milliseconds time) {
    now_ += time;
    coordinator_->tick(now_);
    settle();
  }
  bool is_ready() const { return coordinator_->info().state == step::RunnerInfo::State::kReady; }
};

TEST_F(CoordinatorTest, one_machine_alone_becomes_ready) {
  make(options(1));
  join(1, "here", true);
  settle();
  EXPECT_TRUE(is_ready());
  EXPECT_EQ(coordinator_->info().num_ranks, 1);
  EXPECT_EQ(coordinator_->info().max_model_len, 1024);
}

TEST_F(CoordinatorTest, local_stages_share_one_machine) {
  make(options(1, 3));
  join(1, "here", true);
  settle();
  EXPECT_TRUE(is_ready());
  EXPECT_EQ(coordinator_->slots().size(), 3u);
  EXPECT_EQ(coordinator_->slots()[0].address, "127.0.0.1");
}

TEST_F(CoordinatorTest, waits_for_every_machine_and_says_so) {
  make(options(2));
  join(1, "here", true);
  EXPECT_EQ(coordinator_->waiting_for(), "waiting for 1 more machine (1 of 2 here)");
  EXPECT_TRUE(world_.sent.empty());
  join(2, "mini2", false);
  settle();
  EXPECT_TRUE(is_ready());
  EXPECT_EQ(coordinator_->slots()[0].address, "10.0.0.1") << "local ranks meet remote ones where these reached the head";
  EXPECT_EQ(coordinator_->slots()[0].interface, "en0");
  EXPECT_EQ(coordinator_->slots()[1].address, "10.0.0.2");
}

TEST_F(CoordinatorTest, the_heads_machine_is_rank_0_whoever_joins_first) {
  make(options(2));
  join(2, "mini2", false);
  join(1, "here", true);
  settle();
  EXPECT_EQ(coordinator_->slots()[0].plan.machine, "here");
}

TEST_F(CoordinatorTest, preferred_ranks_order_the_workers) {
  auto o = options(2);
  o.has_local_rank = false;
  make(o);
  for (const int id : {3, 2}) {
    AgentRecord agent{.id = static_cast<AgentId>(id), .head_end = {"en0", "10.0.0.1"}, .joined = now_};
    agent.hello.machine = agent.hello.instance = "mini" + std::to_string(id);
    agent.hello.address = "10.0.0.9";
    agent.hello.memory_budget_bytes = 8ull << 30;
    agent.hello.preferred_rank = id;
    coordinator_->agent_joined(agent, now_);
  }
  EXPECT_EQ(coordinator_->slots()[0].plan.machine, "mini2");
}

TEST_F(CoordinatorTest, a_killed_stage_is_replaced_while_survivors_keep_their_weights) {
  make(options(1, 2));
  join(1, "here", true);
  settle();
  const std::string survivor = coordinator_->slots()[0].stage, victim = coordinator_->slots()[1].stage;
  coordinator_->stage_lost(victim, "the link closed", now_);
  ASSERT_EQ(world_.ended.size(), 1u);
  EXPECT_NE(world_.ended[0].reason.find("rank 1 (here) is missing"), std::string::npos);
  EXPECT_FALSE(is_ready());
  coordinator_->stage_exited({.stage = victim, .signal = 9}, now_);
  world_.take(Message::kStopStage);
  for (int i = 0; i < 5; ++i) pass(milliseconds(300));
  EXPECT_TRUE(is_ready());
  EXPECT_EQ(coordinator_->generation(), 2u);
  EXPECT_EQ(coordinator_->slots()[0].stage, survivor);
  EXPECT_NE(coordinator_->slots()[1].stage, victim);
}

TEST_F(CoordinatorTest, only_the_new_stage_loads_again) {
  make(options(1, 2));
  join(1, "here", true);
  settle();
  const std::string victim = coordinator_->slots()[1].stage;
  coordinator_->stage_exited({.stage = victim, .signal = 9}, now_);
  std::vector<std::string> loads;
  for (int i = 0; i < 20; ++i) {
    now_ += milliseconds(100);
    coordinator_->tick(now_);
    for (const auto& load : world_.take(Message::kLoad)) {
      loads.push_back(load.to);
      obey(load);
    }
    settle();
  }
  EXPECT_TRUE(is_ready());
}

TEST_F(CoordinatorTest, out_of_memory_is_named) {
  make(options(1));
  join(1, "here", true);
  settle();
  coordinator_->stage_exited({.stage = coordinator_->slots()[0].stage, .signal = 9}, now_);
  EXPECT_NE(coordinator_->info().reason.find("137: likely out of memory"), std::string::npos) << coordinator_->info().reason;
}

TEST_F(CoordinatorTest, three_deaths_while_loading_stay_down_with_the_reason) {
  make(options(1));
  join(1, "here", true);
  for (int death = 0; death < 3; ++death) {
    for (int i = 0; i < 30 && world_.take(Message::kStartStage).empty(); ++i) {
      now_ += milliseconds(500);
      coordinator_->tick(now_);
    }
    const std::string stage = coordinator_->slots()[0].stage;
    coordinator_->stage_connected({.stage = stage}, now_);
    coordinator_->formed(stage, coordinator_->generation(), now_);
    world_.sent.clear();
    coordinator_->stage_exited({.stage = stage, .exit_code = 1, .last_lines = {"cannot map the file"}}, now_);
  }
  EXPECT_EQ(coordinator_->info().state, step::RunnerInfo::State::kFailed);
  EXPECT_NE(coordinator_->info().reason.find("cannot map the file"), std::string::npos);
}

TEST_F(CoordinatorTest, a_machine_that_left_gets_its_rank_back) {
  make(options(2));
  join(1, "here", true);
  join(2, "mini2", false);
  settle();
  coordinator_->agent_lost(2, "its link closed", now_);
  EXPECT_EQ(world_.ended.size(), 1u);
  EXPECT_NE(coordinator_->waiting_for().find("rank 1 (mini2)"), std::string::npos);
  now_ += seconds(60);
  join(5, "mini2", false);
  settle();
  EXPECT_TRUE(is_ready());
  EXPECT_EQ(coordinator_->slots()[1].agent, 5u);
}

TEST_F(CoordinatorTest, an_agent_that_joins_again_replaces_its_broken_link) {
  make(options(2));
  join(1, "here", true);
  join(2, "mini2", false, "same");
  settle();
  join(3, "mini2", false, "same");
  EXPECT_EQ(coordinator_->agents().size(), 2u);
  for (int i = 0; i < 3; ++i) pass(milliseconds(500));
  EXPECT_TRUE(is_ready());
  EXPECT_EQ(coordinator_->slots()[1].agent, 3u);
}

TEST_F(CoordinatorTest, a_spare_machine_takes_over) {
  auto o = options(2);
  make(o);
  join(1, "here", true);
  join(2, "mini2", false);
  settle();
  join(3, "mini3", false);
  coordinator_->agent_lost(2, "its link closed", now_);
  for (int i = 0; i < 5; ++i) pass(milliseconds(500));
  EXPECT_TRUE(is_ready());
  EXPECT_EQ(coordinator_->slots()[1].plan.machine, "mini3");
}

TEST_F(CoordinatorTest, workers_get_their_slice_before_they_load) {
  make(options(2));
  join(1, "here", true);
  join(2, "mini2", false);
  for (const auto& start : world_.take(Message::kStartStage)) obey(start);
  for (const auto& form : world_.take(Message::kForm)) obey(form);
  EXPECT_EQ(world_.take(Message::kLoad).size(), 1u) << "the head's own stage opens the model folder";
  ASSERT_EQ(world_.prepared.size(), 1u);
  coordinator_->slice_ready({world_.prepared[0], "/cache/abc", "streamed"}, now_);
  const auto loads = world_.take(Message::kLoad);
  ASSERT_EQ(loads.size(), 1u);
  EXPECT_EQ(link::decode_message<link::Load>(loads[0].payload).folder, "/cache/abc");
}

TEST_F(CoordinatorTest, late_answers_of_an_old_generation_change_nothing) {
  make(options(1, 2));
  join(1, "here", true);
  settle();
  coordinator_->failed(coordinator_->slots()[0].stage, {.generation = 1, .phase = "step", .reason = "rank 1 lost"}, now_);
  EXPECT_EQ(world_.ended.size(), 1u);
  world_.sent.clear();
  coordinator_->formed(coordinator_->slots()[0].stage, 1, now_);
  coordinator_->failed(coordinator_->slots()[1].stage, {.generation = 1, .phase = "step", .reason = "rank 0 lost"}, now_);
  EXPECT_EQ(world_.ended.size(), 1u);
}

TEST_F(CoordinatorTest, what_does_not_fit_is_fatal_before_a_stage_starts) {
  auto o = options(1);
  o.sizes.layer_bytes.assign(8, 4ull << 30);
  make(o);
  join(1, "here", true);
  ASSERT_TRUE(coordinator_->fatal());
  EXPECT_EQ(coordinator_->fatal()->code(), Code::kDoesNotFit);
  EXPECT_TRUE(world_.take(Message::kStartStage).empty());
}

TEST_F(CoordinatorTest, the_context_is_lowered_to_what_the_memory_holds) {
  auto o = options(1);
  o.model_max_position = 1 << 20;
  make(o);
  AgentRecord agent{.id = 1, .is_local = true, .joined = now_};
  agent.hello.machine = "here";
  agent.hello.memory_budget_bytes = kStageOverheadBytes + (4 << 20);
  coordinator_->agent_joined(agent, now_);
  settle();
  ASSERT_TRUE(is_ready()) << coordinator_->info().reason;
  EXPECT_LT(coordinator_->info().max_model_len, 1 << 20);
}

TEST_F(CoordinatorTest, machines_of_one_name_are_told_apart_and_their_memory_is_not_shared) {
  auto o = options(2);
  o.sizes.layer_bytes.assign(8, 1536ull << 20);   // 12 GiB in all: two machines of 8 GiB, or nothing
  make(o);
  const auto add = [&](AgentId id, const std::string& machine_id) {
    AgentRecord agent{.id = id, .is_local = id == 1, .head_end = {"en0", "10.0.0.1"}, .joined = now_};
    agent.hello.machine = "mini";
    agent.hello.machine_id = machine_id;
    agent.hello.instance = std::to_string(id);
    agent.hello.memory_budget_bytes = 8ull << 30;
    agent.hello.read_gb_s = 10;
    coordinator_->agent_joined(agent, now_);
    settle();
  };
  add(1, "one");
  add(2, "two");
  ASSERT_TRUE(is_ready()) << coordinator_->info().reason;
  EXPECT_EQ(coordinator_->slots()[0].plan.machine, "mini");
  EXPECT_EQ(coordinator_->slots()[1].plan.machine, "mini#2");
  coordinator_->agent_lost(2, "unplugged", now_);
  add(3, "two");
  EXPECT_TRUE(is_ready()) << coordinator_->info().reason;
  EXPECT_EQ(coordinator_->slots()[1].plan.machine, "mini#2");
}

TEST_F(CoordinatorTest, agents_on_one_machine_share_its_memory_and_its_name) {
  auto o = options(2);
  o.sizes.layer_bytes.assign(8, 1536ull << 20);
  make(o);
  for (const AgentId id : {1, 2}) {
    AgentRecord agent{.id = id, .is_local = id == 1, .joined = now_};
    agent.hello.machine = "mini";
    agent.hello.machine_id = "one";
    agent.hello.instance = std::to_string(id);
    agent.hello.memory_budget_bytes = 8ull << 30;
    coordinator_->agent_joined(agent, now_);
  }
  ASSERT_TRUE(coordinator_->fatal());
  EXPECT_EQ(coordinator_->fatal()->code(), Code::kDoesNotFit);
  EXPECT_EQ(coordinator_->agents().at(2).hello.machine, "mini");
}

TEST_F(CoordinatorTest, an_unknown_stage_is_not_let_in) {
  make(options(1));
  join(1, "here", true);
  EXPECT_FALSE(coordinator_->stage_connected({.stage = "s99"}, now_));
}

}  // namespace
}  // namespace tandem::cluster
