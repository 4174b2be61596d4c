// Real tandem-stage processes over Gloo, driven by a head that is a few lines of this test.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <map>
#include <optional>

#include "tandem/base/error.h"
#include "tandem/base/hash.h"
#include "tandem/base/json.h"
#include "tandem/base/program_path.h"
#include "tandem/base/unique_fd.h"
#include "tandem/link/link.h"
#include "tandem/link/messages.h"
#include "tandem/stage/session.h"
#include "tandem/stage/testing/tiny_model.h"
#include "tandem/step/codec.h"

extern char** environ;

namespace tandem::stage {
namespace {

using Clock = std::chrono::steady_clock;
using link::Message;

constexpr std::chrono::seconds kSoon{30};

const link::Secret kSecret{Bytes(16, 0x42)};

/// A tandem-stage of the same build, beside this test.
class StageProcess {
 public:
  explicit StageProcess(const std::string& first_line) {
    int ends[2];
    if (::pipe(ends) != 0) throw Error(Code::kIo, "pipe");
    for (const int end : ends) ::fcntl(end, F_SETFD, FD_CLOEXEC);
    UniqueFd input(ends[0]);
    input_.reset(ends[1]);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, input.get(), STDIN_FILENO);
    std::string program = (program_path().parent_path() / "tandem-stage").string();
    char* arguments[] = {program.data(), nullptr};
    const int error = ::posix_spawn(&pid_, program.c_str(), &actions, nullptr, arguments, environ);
    ::posix_spawn_file_actions_destroy(&actions);
    if (error != 0) throw Error(Code::kIo, "cannot start " + program);
    const std::string line = first_line + "\n";
    if (::write(input_.get(), line.data(), line.size()) < 0) throw Error(Code::kIo, "write");
  }
  ~StageProcess() {
    if (!has_ended_) ::kill(pid_, SIGKILL), exit_status();
  }
  void signal(int number) { ::kill(pid_, number); }
  void close_input() { input_.reset(); }
  /// Waits for the end; -1 for a signal.
  int exit_status() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    has_ended_ = true;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pid_t pid_ = -1;
  UniqueFd input_;
  bool has_ended_ = false;
};

/// A head and its stages, one process each.
class StageProcessTest : public ::testing::Test {
 protected:
  struct Member {
    std::unique_ptr<StageProcess> process;
    std::unique_ptr<link::Link> link;
  };

  std::string first_line(int index) const {
    return dump_json(Json{{"secret", to_hex(kSecret.bytes)},
                          {"head", "127.0.0.1"},
                          {"port", listener_.port()},
                          {"stage", "s" + std::to_string(index)},
                          {"num_threads", 1},
                          {"device", "cpu"}});
  }

  /// Starts a stage and waits for its link and hello.
  Member start(int index) {
    Member member;
    member.process = std::make_unique<StageProcess>(first_line(index));
    const auto deadline = Clock::now() + kSoon;
    std::optional<link::Link> link;
    while (!link) {
      if (Clock::now() > deadline) throw Error(Code::kDeadlineExceeded, "the stage did not come");
      link = listener_.accept(Clock::now() + std::chrono::milliseconds(20));
      serve_all();  // a loaded machine takes seconds to start a process: the others need our beats
    }
    member.link = std::make_unique<link::Link>(std::move(*link));
    const auto frame = member.link->receive(Clock::now() + kSoon);
    EXPECT_EQ(frame.value().type, static_cast<std::uint8_t>(Message::kStageHello))
        << "the first frame introduces";
    EXPECT_EQ(link::decode_message<link::StageHello>(frame->payload).stage,
              "s" + std::to_string(index));
    return member;
  }
  void start_all(int size) {
    for (int index = 0; index < size; ++index) members_.push_back(start(index));
  }

  template <typename T>
  void tell(int rank, Message type, const T& message) {
    members_.at(static_cast<std::size_t>(rank))
        .link->send(static_cast<std::uint8_t>(type), link::encode_message(message));
  }

  /// Serves heartbeats and the store until `rank` sends a frame of `type` or kFailed.
  link::Frame wait_for(int rank, Message type) {
    const auto deadline = Clock::now() + kSoon;
    auto& waiting = inbox_[rank];
    while (Clock::now() < deadline) {
      for (auto it = waiting.begin(); it != waiting.end(); ++it) {
        if (it->type == static_cast<std::uint8_t>(type) ||
            it->type == static_cast<std::uint8_t>(Message::kFailed)) {
          link::Frame frame = std::move(*it);
          waiting.erase(it);
          return frame;
        }
      }
      serve_all();
    }
    throw Error(Code::kDeadlineExceeded, "rank " + std::to_string(rank) + " did not answer");
  }
  template <typename T>
  T answer(int rank, Message type) {
    const link::Frame frame = wait_for(rank, type);
    if (frame.type == static_cast<std::uint8_t>(Message::kFailed)) {
      const auto failed = link::decode_message<link::Failed>(frame.payload);
      throw Error(Code::kInternal, failed.phase + ": " + failed.reason);
    }
    return link::decode_message<T>(frame.payload);
  }

  void serve_all() {
    for (std::size_t rank = 0; rank < members_.size(); ++rank) serve(static_cast<int>(rank));
  }
  void serve(int rank) {
    link::Link& link = *members_[static_cast<std::size_t>(rank)].link;
    // Beats of our own, so that no stage thinks us dead.
    if (Clock::now() > next_beat_[rank]) {
      next_beat_[rank] = Clock::now() + std::chrono::milliseconds(500);
      link.send(static_cast<std::uint8_t>(Message::kHeartbeat),
                link::encode_message(link::HeartbeatMessage{.sequence = 1}));
    }
    const auto frame = link.receive(Clock::now() + std::chrono::milliseconds(2));
    if (!frame) return;
    switch (static_cast<Message>(frame->type)) {
      case Message::kHeartbeat:
        last_beat_[rank] = link::decode_message<link::HeartbeatMessage>(frame->payload);
        return;
      case Message::kStoreSet: {
        const auto entry = link::decode_store_entry(frame->payload);
        store_[{entry.generation, entry.key}] = entry.value;
        return answer_waiters();
      }
      case Message::kStoreGet: {
        const auto get = link::decode_message<link::StoreGet>(frame->payload);
        waiters_.push_back({rank, {get.generation, get.key}});
        return answer_waiters();
      }
      default:
        inbox_[rank].push_back(*frame);
    }
  }
  void answer_waiters() {
    std::erase_if(waiters_, [&](const auto& waiter) {
      const auto value = store_.find(waiter.second);
      if (value == store_.end()) return false;
      members_[static_cast<std::size_t>(waiter.first)].link->send(
          static_cast<std::uint8_t>(Message::kStoreValue),
          link::encode(link::StoreEntry{waiter.second.first, waiter.second.second, value->second}));
      return true;
    });
  }

  /// A whole generation: form, load, begin.
  void bring_up(std::uint64_t generation) {
    const int size = static_cast<int>(members_.size());
    const std::vector<std::string> addresses(members_.size(), "127.0.0.1");
    for (int rank = 0; rank < size; ++rank) {
      tell(rank, Message::kForm,
           link::Form{.generation = generation,
                      .rank = rank,
                      .size = size,
                      .address = "127.0.0.1",
                      .peer_addresses = addresses});
    }
    for (int rank = 0; rank < size; ++rank)
      EXPECT_EQ(answer<link::Formed>(rank, Message::kFormed).generation, generation);
    for (int rank = 0; rank < size; ++rank) {
      const checkpoint::Share share = share_of(rank, size);
      tell(rank, Message::kLoad,
           link::Load{.folder = model_.folder().string(),
                      .share = {share.first_layer, share.end_layer, share.embedding, share.head},
                      .dtype = "auto",
                      .kv_dtype = "auto",
                      .vocab_limit = kVocab,
                      .block_size = kBlockSize});
    }
    for (int rank = 0; rank < size; ++rank)
      loaded_[rank] = answer<link::Loaded>(rank, Message::kLoaded);
    for (int rank = 0; rank < size; ++rank) {
      tell(rank, Message::kBegin,
           link::Begin{.generation = generation,
                       .num_blocks = kBlocks,
                       .block_size = kBlockSize,
                       .max_model_len = kMaxLen});
    }
    for (int rank = 0; rank < size; ++rank) answer<link::Began>(rank, Message::kBegan);
  }
  void submit(const step::StepPlan& plan) {
    for (auto& member : members_)
      member.link->send(static_cast<std::uint8_t>(Message::kPlan), step::encode(plan));
  }
  step::StepResult run(const step::StepPlan& plan) {
    submit(plan);
    const link::Frame frame = wait_for(static_cast<int>(members_.size()) - 1, Message::kResult);
    if (frame.type == static_cast<std::uint8_t>(Message::kFailed)) {
      throw Error(Code::kInternal, link::decode_message<link::Failed>(frame.payload).reason);
    }
    return step::decode_result(frame.payload);
  }
  std::vector<std::vector<step::TokenResult>> generate_in(std::uint64_t generation) {
    return generate(generation, [&](const step::StepPlan& plan) { return run(plan); });
  }

  TinyModel model_;
  link::Listener listener_{"127.0.0.1",
                           0,
                           kSecret,
                           link::this_identity(link::Role::kHead),
                           {.frame_limit = link::max_payload_bytes}};
  std::vector<Member> members_;  // by rank
  std::map<int, std::vector<link::Frame>> inbox_;
  std::map<int, link::Loaded> loaded_;
  std::map<int, Clock::time_point> next_beat_;
  std::map<int, link::HeartbeatMessage> last_beat_;
  std::map<std::pair<std::uint64_t, std::string>, Bytes> store_;
  std::vector<std::pair<int, std::pair<std::uint64_t, std::string>>> waiters_;
};

TEST_F(StageProcessTest, one_two_and_three_processes_answer_with_the_same_bits) {
  std::vector<std::vector<step::TokenResult>> alone;
  for (int size = 1; size <= 3; ++size) {
    members_.clear();
    start_all(size);
    bring_up(static_cast<std::uint64_t>(size));
    const auto drawn = generate_in(static_cast<std::uint64_t>(size));
    if (size == 1) alone = drawn;
    EXPECT_EQ(drawn, alone) << size << " processes";
  }
}

TEST_F(StageProcessTest, survivors_keep_their_weights_when_a_rank_is_killed) {
  start_all(2);
  bring_up(1);
  const auto before = generate_in(1);
  members_[1].process->signal(SIGKILL);
  members_[1].process->exit_status();
  // Rank 0 learns of it when it next has rows to pass on.
  step::StepPlan plan;
  plan.generation = 1;
  plan.number = 13;
  plan.open = {{.sequence = 9, .ids = {1}, .num_prompt_ids = 1}};
  plan.slices = {{.sequence = 9, .ids = {1}, .blocks_added = {20}}};
  members_[0].link->send(static_cast<std::uint8_t>(Message::kPlan), step::encode(plan));
  members_.pop_back();
  const auto failed = link::decode_message<link::Failed>(wait_for(0, Message::kFailed).payload);
  EXPECT_EQ(failed.phase, "step");
  EXPECT_NE(failed.reason.find("rank 1 (127.0.0.1) lost"), std::string::npos) << failed.reason;

  members_.push_back(start(2));
  inbox_.clear();
  const double seconds = loaded_[0].seconds;
  bring_up(2);
  EXPECT_EQ(loaded_[0].seconds, seconds) << "rank 0 has loaded again";
  EXPECT_EQ(generate_in(2), before);
}

TEST_F(StageProcessTest, the_end_of_a_generation_frees_a_rank_that_waits_for_a_stopped_one) {
  start_all(2);
  bring_up(1);
  members_[0].process->signal(SIGSTOP);
  step::StepPlan plan;
  plan.generation = 1;
  plan.open = {{.sequence = 1, .ids = {1}, .num_prompt_ids = 1}};
  plan.slices = {{.sequence = 1, .ids = {1}, .blocks_added = {0}, .requests = {{.row = 0}}}};
  submit(plan);
  tell(1, Message::kEndGeneration, link::EndGeneration{1});
  members_[0] = start(5);  // its destructor kills the stopped one
  const auto start_of_forming = Clock::now();
  bring_up(2);
  EXPECT_LT(Clock::now() - start_of_forming, std::chrono::seconds(10));
  EXPECT_FALSE(generate_in(2).empty());
}

TEST_F(StageProcessTest, a_plan_that_does_not_follow_fails_the_generation_and_not_the_stage) {
  start_all(1);
  bring_up(1);
  step::StepPlan plan;
  plan.generation = 1;
  plan.slices = {{.sequence = 77, .ids = {1}}};
  EXPECT_THROW(run(plan), Error);
  bring_up(2);
  plan.generation = 1;  // of the old generation: dropped without a word
  submit(plan);
  EXPECT_FALSE(generate_in(2).empty());
}

TEST_F(StageProcessTest, the_end_of_a_generation_ends_its_forming) {
  start_all(1);
  tell(0, Message::kForm,
       link::Form{.generation = 1, .rank = 0, .size = 2, .address = "127.0.0.1"});
  const auto start_of_waiting = Clock::now();
  while (store_.empty())
    serve(0);  // it has introduced itself and waits for a rank that never comes
  tell(0, Message::kEndGeneration, link::EndGeneration{1});
  bring_up(2);
  EXPECT_LT(Clock::now() - start_of_waiting, std::chrono::seconds(10));
  EXPECT_FALSE(generate_in(2).empty());
}

TEST_F(StageProcessTest, weights_that_change_in_the_midst_fail_the_generation) {
  start_all(1);
  bring_up(1);
  tell(0, Message::kLoad,
       link::Load{.folder = model_.folder().string(),
                  .share = {0, kLayers, true, true},
                  .dtype = "bf16",
                  .kv_dtype = "auto",
                  .vocab_limit = kVocab,
                  .block_size = kBlockSize});
  answer<link::Loaded>(0, Message::kLoaded);
  step::StepPlan plan;
  plan.generation = 1;
  EXPECT_THROW(run(plan), Error);
}

TEST_F(StageProcessTest, a_folder_without_a_model_is_a_failed_load) {
  start_all(1);
  tell(0, Message::kLoad, link::Load{.folder = "/nonexistent"});
  const auto failed = link::decode_message<link::Failed>(wait_for(0, Message::kLoaded).payload);
  EXPECT_EQ(failed.phase, "load");
  EXPECT_EQ(failed.generation, 0u);
  EXPECT_NE(failed.reason.find("/nonexistent"), std::string::npos) << failed.reason;
}

TEST_F(StageProcessTest, heartbeats_carry_counters_that_grow) {
  start_all(1);
  bring_up(1);
  generate_in(1);
  const auto deadline = Clock::now() + kSoon;
  while (last_beat_[0].counters.steps < 13 && Clock::now() < deadline) serve(0);
  EXPECT_EQ(last_beat_[0].counters.steps, 13u);
  EXPECT_GT(last_beat_[0].counters.compute_s, 0);
  EXPECT_GT(last_beat_[0].counters.resident_bytes, 10u << 20);
}

TEST_F(StageProcessTest, ends_when_its_parent_closes_its_stdin) {
  start_all(1);
  members_[0].process->close_input();
  EXPECT_EQ(members_[0].process->exit_status(), kExitParentGone);
}

TEST_F(StageProcessTest, ends_when_the_head_closes_the_link) {
  start_all(1);
  members_[0].link->close();
  EXPECT_EQ(members_[0].process->exit_status(), kExitHeadLost);
}

TEST_F(StageProcessTest, ends_when_the_head_falls_silent) {
  start_all(1);
  EXPECT_EQ(members_[0].process->exit_status(), kExitHeadLost);
}

TEST_F(StageProcessTest, ends_when_it_is_refused_or_its_secret_is_wrong) {
  start_all(1);
  tell(0, Message::kRefused, link::Refused{"another version"});
  EXPECT_EQ(members_[0].process->exit_status(), kExitRefused);
  Json options = parse_json(first_line(1), "options");
  options["secret"] = std::string(32, 'a');
  StageProcess wrong(dump_json(options));
  EXPECT_EQ(wrong.exit_status(), kExitRefused);
}

}  // namespace
}  // namespace tandem::stage
