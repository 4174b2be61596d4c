#include "tandem/stage/stage.h"

#include <ATen/ATen.h>
#include <c10/util/Exception.h>
#include <unistd.h>

#include <chrono>
#include <new>

#include "tandem/base/error.h"
#include "tandem/base/strings.h"
#include "tandem/checkpoint/checkpoint.h"
#include "tandem/stage/process.h"
#include "tandem/stage/stderr_log.h"
#include "tandem/step/codec.h"

namespace tandem::stage {
namespace {

using Clock = std::chrono::steady_clock;
using link::Message;

constexpr std::chrono::milliseconds kProgressInterval{200};
constexpr std::size_t kMaxReasonBytes = 4096;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

bool is_same_load(const link::Load& a, const link::Load& b) {
  const auto key = [](const link::Load& load) { return link::encode_message(load); };
  return key(a) == key(b);
}

checkpoint::Share to_share(const link::ShareMessage& message) {
  return {.first_layer = message.first_layer,
          .end_layer = message.end_layer,
          .embedding = message.embedding,
          .head = message.head,
          .shard = message.shard,
          .num_shards = message.num_shards};
}

/// What went wrong, for people: without libtorch's stack traces.
std::string reason_of(const std::exception& error) {
  std::string reason;
  if (const auto* torch_error = dynamic_cast<const c10::Error*>(&error)) {
    reason = torch_error->what_without_backtrace();
  } else if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) {
    reason = "out of memory";
  } else {
    reason = error.what();
  }
  return reason.substr(0, kMaxReasonBytes);
}

Code code_of(const std::exception& error) {
  if (const auto* own = dynamic_cast<const Error*>(&error)) return own->code();
  return dynamic_cast<const std::bad_alloc*>(&error) != nullptr ? Code::kDoesNotFit
                                                                : Code::kInternal;
}

}  // namespace

std::string resolve_device(const std::string& option) {
  if (option != "auto") {
    if (option == "cpu" || option == "mps" || option == "cuda") return option;
    throw Error(Code::kInvalidArgument, "--device " + option + ": auto, cpu, mps or cuda");
  }
  if (at::hasMPS()) return "mps";
  return at::hasCUDA() ? "cuda" : "cpu";
}

Stage::Stage(StageOptions options, link::Link& link, FormMesh form_mesh)
    : options_(std::move(options)),
      device_(resolve_device(options_.device)),
      link_(link),
      form_mesh_(std::move(form_mesh)) {}

Stage::~Stage() { drop_generation(); }

link::StageCounters Stage::counters() const {
  link::StageCounters counters = counters_.snapshot();
  counters.resident_bytes = resident_bytes();
  return counters;
}

template <typename T>
void Stage::tell(Message type, const T& message) {
  link_.send(static_cast<std::uint8_t>(type), link::encode_message(message));
}

template <typename Action>
void Stage::guard(std::uint64_t generation, const char* phase, const Action& action) {
  try {
    action();
  } catch (const std::exception& e) {
    report_failure(generation, phase, e);
  }
}

void Stage::report_failure(std::uint64_t generation, const char* phase,
                           const std::exception& error) {
  {
    std::lock_guard lock(mutex_);
    // The head ended it: it needs no telling, and what failed failed because of that.
    if (generation != 0 && generation <= ended_through_) return;
  }
  const std::string reason = reason_of(error);
  log_line("error", std::string(phase) + " failed: " + reason);
  tell(Message::kFailed, link::Failed{.generation = generation,
                                      .phase = phase,
                                      .code = std::string(to_string(code_of(error))),
                                      .reason = reason});
}

void Stage::introduce() {
  tell(Message::kStageHello, link::StageHello{.stage = options_.stage,
                                              .pid = ::getpid(),
                                              .device = device_,
                                              .transport = std::string(comm::gloo_transport()),
                                              .kernels = options_.kernels});
}

void Stage::run() {
  while (auto command = commands_.receive()) execute(*command);
}

void Stage::handle(const link::Frame& frame) {
  switch (static_cast<Message>(frame.type)) {
    case Message::kForm:
      commands_.send(link::decode_message<link::Form>(frame.payload));
      return;
    case Message::kLoad:
      commands_.send(link::decode_message<link::Load>(frame.payload));
      return;
    case Message::kBegin:
      commands_.send(link::decode_message<link::Begin>(frame.payload));
      return;
    case Message::kPlan:
      take_plan(frame.payload);
      return;
    case Message::kEndGeneration:
      end_generation(link::decode_message<link::EndGeneration>(frame.payload).generation);
      return;
    case Message::kStoreValue: {
      std::unique_lock lock(mutex_);
      const std::shared_ptr<HeadStore> store = store_;
      lock.unlock();
      if (store) store->deliver(link::decode_store_entry(frame.payload));
      return;
    }
    case Message::kRefused:
      throw Error(Code::kMismatch, link::decode_message<link::Refused>(frame.payload).reason);
    default:
      throw Error(Code::kCorrupt,
                  "the head sent a frame of type " + std::to_string(frame.type) + " to a stage");
  }
}

std::shared_ptr<Generation> Stage::current_generation() const {
  std::lock_guard lock(mutex_);
  return generation_;
}

void Stage::take_plan(const Bytes& payload) {
  step::StepPlan plan = step::decode_plan(payload);
  const std::shared_ptr<Generation> generation = current_generation();
  if (!generation || generation->id() != plan.generation || generation->is_over()) return;
  guard(generation->id(), "step",
        [&] { commands_.send(PlanCommand{generation, generation->take(std::move(plan))}); });
}

void Stage::end_generation(std::uint64_t id) {
  std::shared_ptr<HeadStore> store;
  std::shared_ptr<Generation> generation;
  {
    std::lock_guard lock(mutex_);
    ended_through_ = std::max(ended_through_, id);
    store = store_;
    if (generation_ && generation_->id() <= id) generation = generation_;
  }
  if (store) store->cancel();
  if (generation) generation->end();
}

void Stage::execute(Command& command) {
  if (auto* form_command = std::get_if<link::Form>(&command)) {
    guard(form_command->generation, "form", [&] { form(*form_command); });
  } else if (auto* load_command = std::get_if<link::Load>(&command)) {
    guard(0, "load", [&] { load(*load_command); });
  } else if (auto* begin_command = std::get_if<link::Begin>(&command)) {
    guard(begin_command->generation, "begin", [&] { begin(*begin_command); });
  } else {
    auto& plan = std::get<PlanCommand>(command);
    if (plan.generation->is_over()) return;
    try {
      compute(plan);
    } catch (const std::exception& e) {
      report_failure(plan.generation->id(), "step", e);
      plan.generation->end();
    }
  }
}

void Stage::drop_generation() {
  executor_.reset();
  std::shared_ptr<Generation> generation;
  {
    std::lock_guard lock(mutex_);
    generation = std::move(generation_);
  }
  if (generation) generation->end();
}

void Stage::form(const link::Form& form) {
  drop_generation();
  const auto store =
      std::make_shared<HeadStore>(form.generation, [this](Message type, const Bytes& payload) {
        link_.send(static_cast<std::uint8_t>(type), payload);
      });
  {
    std::lock_guard lock(mutex_);
    if (form.generation <= ended_through_) return;
    store_ = store;
  }
  const auto start = Clock::now();
  auto mesh = form_mesh_(store, {.address = form.address,
                                 .rank = form.rank,
                                 .size = form.size,
                                 .generation = form.generation,
                                 .peer_addresses = form.peer_addresses,
                                 .peer_names = form.peer_names});
  {
    std::lock_guard lock(mutex_);
    store_.reset();
    if (form.generation <= ended_through_) return;
    generation_ = std::make_shared<Generation>(form.generation, std::move(mesh));
  }
  log_line("info",
           format("rank %d of %d in generation %llu, formed in %.0f ms", form.rank, form.size,
                  static_cast<unsigned long long>(form.generation), 1e3 * seconds_since(start)));
  tell(Message::kFormed, link::Formed{form.generation});
}

void Stage::load(const link::Load& load) {
  if (model_ && loaded_as_ && is_same_load(*loaded_as_, load)) {
    tell(Message::kLoaded, loaded_);
    return;
  }
  // The old weights go before the new ones come.
  executor_.reset();
  model_.reset();
  const auto start = Clock::now();
  auto next_progress = start;
  const auto progress = [&](std::uint64_t done_bytes, std::uint64_t total_bytes) {
    if (Clock::now() < next_progress) return;
    next_progress = Clock::now() + kProgressInterval;
    tell(Message::kLoadProgress, link::LoadProgress{done_bytes, total_bytes});
  };
  const checkpoint::Share share = to_share(load.share);
  model_ = model::load_model(checkpoint::Checkpoint::open(load.folder), share,
                             {.dtype = load.dtype,
                              .device = device_,
                              .ops = options_.ops,
                              .kv_dtype = load.kv_dtype,
                              .num_threads = options_.num_threads},
                             progress);
  loaded_as_ = load;
  loaded_ = {.weight_bytes = model_->weight_bytes(),
             .kv_block_bytes = model_->kv_block_bytes(load.block_size),
             .seconds = seconds_since(start)};
  log_line("info",
           format("loaded %s in %.2f s", checkpoint::to_string(share).c_str(), loaded_.seconds));
  tell(Message::kLoaded, loaded_);
}

void Stage::begin(const link::Begin& begin) {
  const std::shared_ptr<Generation> generation = current_generation();
  if (!generation || generation->id() != begin.generation) {
    throw Error(Code::kCorrupt, "asked to begin a generation that this stage has not formed");
  }
  if (!model_) throw Error(Code::kCorrupt, "asked to begin before the weights were loaded");
  model_->allocate_kv(begin.num_blocks, begin.block_size);
  executor_ = std::make_unique<StepExecutor>(
      *model_, *generation,
      StepExecutor::Setup{.bounds = {.num_blocks = begin.num_blocks,
                                     .block_size = begin.block_size,
                                     .max_model_len = begin.max_model_len,
                                     .vocab_size = model_->config().vocab_size,
                                     .draws = generation->is_last()},
                          .vocab_limit = loaded_as_->vocab_limit,
                          .device = device_});
  generation->begin(model_->config().hidden_size);
  tell(Message::kBegan, link::Began{begin.generation});
}

void Stage::compute(PlanCommand& command) {
  // A load in the midst of a generation takes the weights from under it.
  if (!executor_)
    throw Error(Code::kCorrupt, "a plan came after its generation's weights were replaced");
  step::StageTiming timing;
  const auto result = executor_->run(command.pending, timing);
  counters_.add(timing, command.pending.plan.num_tokens());
  if (result) link_.send(static_cast<std::uint8_t>(Message::kResult), step::encode(*result));
}

}  // namespace tandem::stage
