#include "tandem/cluster/agent.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "tandem/base/clock.h"
#include "tandem/base/error.h"
#include "tandem/base/hash.h"
#include "tandem/base/log.h"
#include "tandem/base/progress.h"
#include "tandem/base/strings.h"
#include "tandem/checkpoint/slice_cache.h"
#include "tandem/cluster/slice_fetch.h"
#include "tandem/cluster/stage_process.h"
#include "tandem/link/heartbeat.h"

namespace tandem::cluster {
namespace {

using link::Message;
using std::chrono::milliseconds;
using SteadyTime = std::chrono::steady_clock;

constexpr milliseconds kFirstPause{200}, kLastPause{5000};

std::uint8_t type_of(Message message) { return static_cast<std::uint8_t>(message); }

// What a stage writes at level warning or above, or outside the log (a crash): worth showing on the head.
bool is_alarming(const std::string& line) {
  for (const std::string_view calm : {"info: ", "debug: ", "trace: "}) {
    if (line.starts_with(calm)) return false;
  }
  return !trim(line).empty();
}

std::string now_for_file_name() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  localtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof(text), "%Y%m%d_%H%M%S", &parts);
  return text;
}

}  // namespace

// Everything that belongs to one link to the head; ends with it.
class Agent::Session {
 public:
  Session(const AgentOptions& options, link::Link link, const std::atomic<bool>& stopping)
      : options_(options),
        link_(std::move(link)),
        stopping_(stopping),
        cache_({.folder = options.cache_folder / "slices", .max_bytes = options.cache_bytes}),
        heartbeat_(link_, {.payload = [this] { return next_beat(); }, .on_silent = [this] { link_.close(); }}) {}

  ~Session() {
    ending_ = true;
    link_.close();
    for (auto& [id, stage] : stages_) {
      if (stage.fetching.joinable()) stage.fetching.join();
    }
    stages_.clear();
  }

  void run() {
    say_hello();
    while (!stopping_) {
      const auto frame = link_.receive(SteadyTime::now() + milliseconds(100));
      forget_ended_stages();
      if (!frame) continue;
      heartbeat_.note_received();
      handle(*frame);
    }
  }

 private:
  struct Stage {
    std::unique_ptr<StageProcess> process;
    std::thread fetching;
    std::optional<checkpoint::SliceEntry> slice;   // keeps it from being evicted while the stage may open it
    std::shared_ptr<std::ofstream> log_file;
  };

  void say_hello();
  void handle(const link::Frame& frame);
  void start_stage(const link::StartStage& start);
  void on_line(const std::string& stage, const std::shared_ptr<std::ofstream>& file, const std::string& line);
  void on_exit(const std::string& stage, const StageExit& exit);
  void forget_ended_stages();
  void prepare_slice(link::PrepareSlice wanted);
  void note_beat(std::uint64_t sequence);
  Bytes next_beat();
  std::string stage_configuration(const link::StartStage& start) const;
  template <typename T>
  void send(Message type, const T& message) {
    try {
      link_.send(type_of(type), encode_message(message));
    } catch (const Error& e) {
      log::debug("agent: {}", e.what());  // the receiving side of the session sees the same and ends it
    }
  }

  const AgentOptions& options_;
  link::Link link_;
  const std::atomic<bool>& stopping_;
  std::atomic<bool> ending_ = false;
  checkpoint::SliceCache cache_;
  std::mutex mutex_;                        // guards what follows, up to stages_
  std::vector<std::string> ended_;
  std::uint64_t beats_ = 0, peer_beat_ = 0;
  SteadyTime::time_point peer_beat_received_{};
  std::map<std::string, Stage> stages_;     // session's thread only
  link::Heartbeat heartbeat_;
};

void Agent::Session::say_hello() {
  link::AgentHello hello = options_.hello;
  if (hello.address.empty() && !options_.is_local) hello.address = link_.local_address();
  if (hello.interface.empty() && !hello.address.empty()) hello.interface = link::interface_of(hello.address);
  link_.send(type_of(Message::kAgentHello), encode_message(hello));
}

void Agent::Session::handle(const link::Frame& frame) {
  switch (static_cast<Message>(frame.type)) {
    case Message::kHeartbeat:
      note_beat(link::decode_message<link::HeartbeatMessage>(frame.payload).sequence);
      break;
    case Message::kRefused:
      throw Error(Code::kMismatch, link::decode_message<link::Refused>(frame.payload).reason);
    case Message::kAgentWelcome: {
      const auto welcome = link::decode_message<link::AgentWelcome>(frame.payload);
      if (!options_.is_local) log::info("joined {} ({}), which serves {}", link_.peer().name, link_.peer_address(), welcome.model);
      break;
    }
    case Message::kStartStage: start_stage(link::decode_message<link::StartStage>(frame.payload)); break;
    case Message::kStopStage: {
      const auto stop = link::decode_message<link::StopStage>(frame.payload);
      const auto it = stages_.find(stop.stage);
      if (it != stages_.end() && it->second.process) it->second.process->kill();
      break;
    }
    case Message::kPrepareSlice: prepare_slice(link::decode_message<link::PrepareSlice>(frame.payload)); break;
    default: throw Error(Code::kCorrupt, "the head sent frame type " + std::to_string(frame.type) + ", which no agent knows");
  }
}

std::string Agent::Session::stage_configuration(const link::StartStage& start) const {
  return dump_json({{"secret", to_hex(options_.secret.bytes)},
                    {"head", options_.host},
                    {"port", options_.port},
                    {"stage", start.stage},
                    {"num_threads", start.num_threads},
                    {"device", start.device},
                    {"ops", start.ops},
                    {"kernels", start.kernels},
                    {"name", options_.hello.machine}});
}

void Agent::Session::start_stage(const link::StartStage& start) {
  Stage& stage = stages_[start.stage];
  if (!options_.log_folder.empty()) {
    const auto name = "worker_" + std::to_string(start.rank) + "_" + now_for_file_name() + ".log";
    stage.log_file = std::make_shared<std::ofstream>(options_.log_folder / name, std::ios::app);
  }
  StageProcess::Options process;
  process.program = options_.stage_program;
  process.first_line = stage_configuration(start);
  process.on_line = [this, id = start.stage, file = stage.log_file](const std::string& line) { on_line(id, file, line); };
  process.on_exit = [this, id = start.stage](const StageExit& exit) { on_exit(id, exit); };
  try {
    stage.process = std::make_unique<StageProcess>(std::move(process));
    log::debug("stage {} (rank {}) is process {}", start.stage, start.rank, stage.process->pid());
  } catch (const Error& e) {
    on_exit(start.stage, {.exit_code = 127, .last_lines = {e.what()}});
  }
}

void Agent::Session::on_line(const std::string& stage, const std::shared_ptr<std::ofstream>& file, const std::string& line) {
  if (file) *file << line << std::endl;
  if (is_alarming(line)) send(Message::kLogLines, link::LogLines{.stage = stage, .level = "warning", .lines = {line}});
}

void Agent::Session::on_exit(const std::string& stage, const StageExit& exit) {
  if (!ending_) {
    send(Message::kStageExited, link::StageExited{stage, exit.exit_code, exit.signal, exit.last_lines});
  }
  std::lock_guard lock(mutex_);
  ended_.push_back(stage);
}

void Agent::Session::forget_ended_stages() {
  std::vector<std::string> ended;
  {
    std::lock_guard lock(mutex_);
    ended.swap(ended_);
  }
  for (const std::string& id : ended) {
    const auto it = stages_.find(id);
    if (it == stages_.end()) continue;
    if (it->second.fetching.joinable()) it->second.fetching.join();
    stages_.erase(it);
  }
}

void Agent::Session::prepare_slice(link::PrepareSlice wanted) {
  const auto it = stages_.find(wanted.stage);
  if (it == stages_.end()) return;
  Stage& stage = it->second;
  if (stage.fetching.joinable()) stage.fetching.join();
  stage.fetching = std::thread([this, &stage, wanted = std::move(wanted)] {
    SteadyTime::time_point last_report{};
    SliceFetchOptions fetch{.cache = &cache_, .find_model = options_.find_model, .hash_memory = options_.cache_folder / "hashes"};
    fetch.connect = [this] {
      return link::connect(options_.host, options_.port, options_.secret, link::this_identity(link::Role::kWeights),
                           {.frame_limit = link::max_payload_bytes});
    };
    Progress bar("receiving weights");
    fetch.progress = [&](std::uint64_t done, std::uint64_t total) {
      bar.update(done, total);
      if (done < total && SteadyTime::now() - last_report < milliseconds(200)) return;
      last_report = SteadyTime::now();
      send(Message::kSliceProgress, link::SliceProgress{wanted.stage, done, total});
    };
    try {
      FetchedSlice fetched = fetch_slice(wanted, fetch, ending_);
      stage.slice = std::move(fetched.entry);
      send(Message::kSliceReady, link::SliceReady{wanted.stage, fetched.folder.string(), fetched.source});
    } catch (const std::exception& e) {
      if (!ending_) send(Message::kSliceFailed, link::SliceFailed{wanted.stage, e.what()});
    }
  });
}

void Agent::Session::note_beat(std::uint64_t sequence) {
  std::lock_guard lock(mutex_);
  peer_beat_ = sequence;
  peer_beat_received_ = SteadyTime::now();
}

Bytes Agent::Session::next_beat() {
  std::lock_guard lock(mutex_);
  link::HeartbeatMessage beat{.sequence = ++beats_, .echo = peer_beat_};
  if (peer_beat_ > 0) beat.held_ms = to_seconds(SteadyTime::now() - peer_beat_received_) * 1e3;
  return encode_message(beat);
}

Agent::Agent(AgentOptions options) : options_(std::move(options)) {}
Agent::~Agent() = default;

void Agent::stop() { stopping_ = true; }

bool Agent::pause(std::chrono::milliseconds time) const {
  const auto until = SteadyTime::now() + time;
  while (!stopping_ && SteadyTime::now() < until) std::this_thread::sleep_for(milliseconds(20));
  return !stopping_;
}

void Agent::run() {
  milliseconds wait = kFirstPause;
  std::string last_trouble;
  while (!stopping_) {
    try {
      link::Link link = link::connect(options_.host, options_.port, options_.secret, link::this_identity(link::Role::kAgent),
                                      {.frame_limit = link::max_payload_bytes});
      wait = kFirstPause;
      last_trouble.clear();
      Session(options_, std::move(link), stopping_).run();
    } catch (const Error& e) {
      if (e.code() == Code::kUnauthenticated || e.code() == Code::kMismatch) throw;
      // The same trouble is said once, and again when it changes: an agent may wait for its head for days.
      if (e.what() != last_trouble && !stopping_) log::warn("{}; trying again", e.what());
      last_trouble = e.what();
    }
    if (!pause(wait)) return;
    wait = std::min(wait * 2, kLastPause);
  }
}

}  // namespace tandem::cluster
