#include "tandem/cluster/stage_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <future>
#include <utility>

#include "tandem/base/error.h"
#include "tandem/base/program_path.h"
#include "tandem/base/strings.h"

extern char** environ;

namespace tandem::cluster {
namespace {

// A line longer than this is cut: a stage's stderr is not to be trusted with our memory.
constexpr std::size_t kMaxLineBytes = 4096;

std::array<UniqueFd, 2> make_pipe() {
  int fds[2];
  if (::pipe(fds) != 0) throw Error(Code::kIo, "cannot make a pipe: " + errno_text(errno));
  for (const int fd : fds) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

// Owns the two C structures of posix_spawn.
struct SpawnPlan {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  SpawnPlan() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
  }
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
};

}  // namespace

StageProcess::StageProcess(Options options) : options_(std::move(options)) {
  spawn();
  watcher_ = std::thread([this] { watch(); });
}

StageProcess::~StageProcess() {
  kill();
  watcher_.join();
}

void StageProcess::spawn() {
  auto [child_input, input] = make_pipe();
  auto [output, child_output] = make_pipe();
  SpawnPlan plan;
  posix_spawn_file_actions_adddup2(&plan.actions, child_input.get(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&plan.actions, child_output.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&plan.actions, child_output.get(), STDERR_FILENO);
  // A group of its own: Ctrl-C in the terminal goes to us alone, so that answers in flight can be finished.
  sigset_t none, defaults;
  sigemptyset(&none);
  sigemptyset(&defaults);
  for (const int signal : {SIGINT, SIGTERM, SIGPIPE, SIGHUP}) sigaddset(&defaults, signal);
  posix_spawnattr_setsigmask(&plan.attributes, &none);
  posix_spawnattr_setsigdefault(&plan.attributes, &defaults);
  posix_spawnattr_setpgroup(&plan.attributes, 0);
  posix_spawnattr_setflags(&plan.attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::string program = options_.program.string();
  std::vector<char*> arguments{program.data()};
  for (std::string& argument : options_.arguments) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  const int error = ::posix_spawn(&pid_, program.c_str(), &plan.actions, &plan.attributes, arguments.data(), environ);
  if (error != 0) throw Error(Code::kIo, "cannot start " + program + ": " + errno_text(error));
  input_ = std::move(input);
  output_ = std::move(output);
  // The configuration fits into the pipe's buffer, so this cannot block on a process that never reads.
  std::string line = std::exchange(options_.first_line, {}) + "\n";
  if (::write(input_.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size())) kill();
}

void StageProcess::watch() {
  std::deque<std::string> kept;
  std::string line;
  const auto finish_line = [&] {
    if (options_.on_line) options_.on_line(line);
    kept.push_back(std::exchange(line, {}));
    if (kept.size() > kKeptLines) kept.pop_front();
  };
  std::array<char, 4096> buffer;
  while (true) {
    const ssize_t count = ::read(output_.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    for (ssize_t i = 0; i < count; ++i) {
      if (buffer[i] == '\n') {
        finish_line();
      } else if (line.size() < kMaxLineBytes) {
        line.push_back(buffer[i]);
      }
    }
  }
  if (!line.empty()) finish_line();
  int status = 0;
  // Waits without reaping first, so that `kill` never signals a pid that has been given to another process.
  siginfo_t info;
  while (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOWAIT) != 0 && errno == EINTR) {
  }
  {
    std::lock_guard lock(mutex_);
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    reaped_ = true;
  }
  StageExit exit;
  if (WIFEXITED(status)) exit.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) exit.signal = WTERMSIG(status);
  exit.last_lines.assign(kept.begin(), kept.end());
  if (options_.on_exit) options_.on_exit(exit);
}

void StageProcess::kill() {
  std::lock_guard lock(mutex_);
  if (!reaped_ && pid_ > 0) ::kill(pid_, SIGKILL);
}

std::filesystem::path find_stage_program() {
  if (const char* given = std::getenv("TANDEM_STAGE"); given != nullptr && *given != '\0') return given;
  return program_path().parent_path() / "tandem-stage";
}

std::string stage_version(const std::filesystem::path& program) {
  std::promise<std::vector<std::string>> lines;
  auto printed = lines.get_future();
  StageProcess::Options options{.program = program, .arguments = {"--version"}};
  options.on_exit = [&lines](const StageExit& exit) { lines.set_value(exit.last_lines); };
  const StageProcess process(std::move(options));
  if (printed.wait_for(std::chrono::seconds(20)) != std::future_status::ready) {
    throw Error(Code::kDeadlineExceeded, program.string() + " --version did not end within 20 s");
  }
  return join(printed.get(), " ");
}

}  // namespace tandem::cluster
