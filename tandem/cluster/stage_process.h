// One tandem-stage process: started, watched, ended. Owned by an agent; nothing it starts outlives it.
#pragma once

#include <sys/types.h>

#include <deque>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tandem/base/unique_fd.h"

namespace tandem::cluster {

struct StageExit {
  int exit_code = -1;   ///< -1: ended by a signal
  int signal = 0;
  std::vector<std::string> last_lines;  ///< of its stderr, at most kKeptLines
};

/// The process reads one line from its stdin, which then stays open: its end tells the process that this one has died.
class StageProcess {
 public:
  static constexpr std::size_t kKeptLines = 50;

  struct Options {
    std::filesystem::path program;
    std::vector<std::string> arguments;                  ///< a stage takes none
    std::string first_line;                              ///< configuration with the secret; without the newline
    std::function<void(const std::string&)> on_line;     ///< each line of stderr; on the watching thread
    std::function<void(const StageExit&)> on_exit;       ///< once; on the watching thread
  };
  /// Throws Error{kIo} when the program cannot be started. The calling thread must live as long as the process (Linux ties
  /// the process's death signal to it).
  explicit StageProcess(Options options);
  /// Kills the process if it still runs and waits for it.
  ~StageProcess();
  StageProcess(const StageProcess&) = delete;
  StageProcess& operator=(const StageProcess&) = delete;

  pid_t pid() const { return pid_; }
  /// SIGKILL: also ends a stopped or wedged process. Safe from any thread; harmless after the end.
  void kill();

 private:
  void spawn();
  void watch();

  Options options_;
  pid_t pid_ = -1;
  UniqueFd input_, output_;
  std::mutex mutex_;         ///< guards reaped_: a pid must not be signalled once it may belong to someone else
  bool reaped_ = false;
  std::thread watcher_;
};

/// tandem-stage beside the running program; $TANDEM_STAGE overrides it.
std::filesystem::path find_stage_program();
/// What `PROGRAM --version` prints, lines joined by blanks. Throws Error{kIo} when it cannot be started, Error{kDeadlineExceeded}
/// when it takes longer than 20 s.
std::string stage_version(const std::filesystem::path& program);

}  // namespace tandem::cluster
