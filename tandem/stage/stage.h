// One stage: obeys the head's frames over its link. A reader thread takes frames, the main thread
// forms, loads and computes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <variant>

#include "tandem/base/channel.h"
#include "tandem/link/link.h"
#include "tandem/link/messages.h"
#include "tandem/model/model.h"
#include "tandem/stage/counters.h"
#include "tandem/stage/generation.h"
#include "tandem/stage/head_store.h"
#include "tandem/stage/stage_options.h"
#include "tandem/stage/step_executor.h"

namespace tandem::stage {

/// "cpu", "mps" or "cuda" for what --device says; "auto" takes the fastest there is. Throws
/// Error{kInvalidArgument}.
std::string resolve_device(const std::string& option);

/// Keeps its weights over generations. Everything that goes wrong in forming, loading or a step is
/// told to the head as kFailed, and the stage waits for the next kForm; only the loss of the link
/// ends it.
class Stage {
 public:
  /// `forms`: makes the mesh of a generation; comm::make_gloo except in tests.
  using FormMesh = std::function<std::unique_ptr<comm::Comm>(std::shared_ptr<comm::KeyValueStore>,
                                                             const comm::GlooOptions&)>;
  Stage(StageOptions options, link::Link& link, FormMesh form_mesh);
  ~Stage();

  /// The first frame of the link.
  void introduce();
  /// Obeys until `stop`. Throws Error{kUnavailable} when the link is down.
  void run();
  /// Sent with every heartbeat; any thread.
  link::StageCounters counters() const;
  /// What the reader thread does with one frame that is not a heartbeat. Throws Error when the
  /// frame is no good: the link's end, for both ends are of one build.
  void handle(const link::Frame& frame);
  /// Makes `run` return; any thread.
  void stop() { commands_.close(); }

 private:
  struct PlanCommand {
    std::shared_ptr<Generation> generation;
    PendingPlan pending;
  };
  using Command = std::variant<link::Form, link::Load, link::Begin, PlanCommand>;

  // Reader thread.
  void take_plan(const Bytes& payload);
  void end_generation(std::uint64_t id);
  // Main thread.
  void execute(Command& command);
  void form(const link::Form& form);
  void load(const link::Load& load);
  void begin(const link::Begin& begin);
  void compute(PlanCommand& command);
  void drop_generation();
  // Both.
  template <typename T>
  void tell(link::Message type, const T& message);
  void report_failure(std::uint64_t generation, const char* phase, const std::exception& error);
  template <typename Action>
  void guard(std::uint64_t generation, const char* phase, const Action& action);
  std::shared_ptr<Generation> current_generation() const;

  const StageOptions options_;
  const std::string device_;
  link::Link& link_;
  const FormMesh form_mesh_;
  Counters counters_;
  Channel<Command> commands_;

  mutable std::mutex mutex_;          // guards what the reader thread shares with the main thread:
  std::shared_ptr<HeadStore> store_;  //   of the generation that forms now
  std::shared_ptr<Generation> generation_;  //   the formed one
  std::uint64_t ended_through_ = 0;         //   generations up to this one are over

  // Main thread alone.
  std::optional<link::Load> loaded_as_;
  link::Loaded loaded_;
  std::unique_ptr<model::Model> model_;
  std::unique_ptr<StepExecutor> executor_;
};

}  // namespace tandem::stage
