#include "tandem/cluster/stage_process.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <fstream>

#include "tandem/base/error.h"

namespace tandem::cluster {
namespace {

// Collects what a process says and how it ends.
class Observer {
 public:
  StageProcess::Options options(const std::string& script) {
    path_ = std::filesystem::path(testing::TempDir()) / ("stage_script_" + std::to_string(::getpid()) + "_" + std::to_string(++count_));
    std::ofstream(path_) << "#!/bin/sh\n" << script << "\n";
    std::filesystem::permissions(path_, std::filesystem::perms::owner_all);
    StageProcess::Options options;
    options.program = path_;
    options.first_line = "configuration";
    options.on_exit = [this](const StageExit& exit) {
      std::lock_guard lock(mutex_);
      exit_ = exit;
      changed_.notify_all();
    };
    return options;
  }
  StageExit wait() {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, std::chrono::seconds(20), [&] { return exit_.has_value(); }));
    return exit_.value_or(StageExit{});
  }
  ~Observer() { std::filesystem::remove(path_); }

 private:
  inline static int count_ = 0;
  std::filesystem::path path_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<StageExit> exit_;
};

TEST(StageProcess, hands_over_its_first_line_and_keeps_the_last_lines) {
  Observer observer;
  const StageProcess process(observer.options("read line; echo \"got $line\" >&2; exit 3"));
  const StageExit exit = observer.wait();
  EXPECT_EQ(exit.exit_code, 3);
  EXPECT_EQ(exit.last_lines, (std::vector<std::string>{"got configuration"}));
}

TEST(StageProcess, keeps_only_fifty_lines) {
  Observer observer;
  const StageProcess process(observer.options("i=0; while [ $i -lt 80 ]; do echo $i; i=$((i+1)); done"));
  const StageExit exit = observer.wait();
  ASSERT_EQ(exit.last_lines.size(), 50u);
  EXPECT_EQ(exit.last_lines.front(), "30");
}

TEST(StageProcess, reports_the_signal_that_ended_it) {
  Observer observer;
  const StageProcess process(observer.options("kill -9 $$"));
  EXPECT_EQ(observer.wait().signal, 9);
}

TEST(StageProcess, is_killed_with_its_owner_even_when_stopped) {
  Observer observer;
  { const StageProcess process(observer.options("kill -STOP $$")); }
  EXPECT_EQ(observer.wait().signal, 9);
}

TEST(StageProcess, its_input_stays_open) {
  Observer observer;
  const StageProcess process(observer.options("read a; echo first >&2; read b; echo second >&2"));
  ASSERT_GT(process.pid(), 0);
}

TEST(StageProcess, a_missing_program_is_an_error) {
  StageProcess::Options options;
  options.program = "/nonexistent/tandem-stage";
  EXPECT_THROW(StageProcess{options}, Error);
}

}  // namespace
}  // namespace tandem::cluster
