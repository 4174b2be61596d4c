#include "tandem/cluster/status.h"

namespace tandem::cluster {
namespace {

const char* name_of(step::RunnerInfo::State state) {
  switch (state) {
    case step::RunnerInfo::State::kForming: return "forming";
    case step::RunnerInfo::State::kLoading: return "loading";
    case step::RunnerInfo::State::kReady: return "ready";
    case step::RunnerInfo::State::kFailed: return "failed";
  }
  return "unknown";
}

Json milliseconds_or_null(double value) { return value < 0 ? Json(nullptr) : Json(value); }

Json rank_status(const StatusInput& input, std::size_t rank) {
  const Slot& slot = input.coordinator.slots()[rank];
  const auto link = input.stages.find(slot.stage);
  const StageLink stage = link == input.stages.end() ? StageLink{} : link->second;
  return {{"rank", rank},
          {"machine", slot.plan.machine},
          {"state", to_string(slot.state)},
          {"address", slot.address},
          {"interface", slot.interface},
          {"transport", slot.transport},
          {"device", slot.device},
          {"kernels", slot.kernels},
          {"first_layer", slot.plan.share.first_layer},
          {"end_layer", slot.plan.share.end_layer},
          {"embedding", slot.plan.share.embedding},
          {"head", slot.plan.share.head},
          {"weight_bytes", slot.is_loaded ? slot.loaded.weight_bytes : slot.plan.weight_bytes},
          {"budget_bytes", slot.plan.budget_bytes},
          {"resident_bytes", stage.counters.resident_bytes},
          {"loaded_bytes", slot.done_bytes},
          {"total_bytes", slot.total_bytes},
          {"round_trip_ms", milliseconds_or_null(stage.round_trip_ms)},
          {"beats", stage.beats},
          {"steps", stage.counters.steps},
          {"tokens", stage.counters.tokens},
          {"compute_s", stage.counters.compute_s},
          {"wait_s", stage.counters.wait_s},
          {"wire_s", stage.counters.wire_s},
          {"wire_bytes", stage.counters.wire_bytes},
          {"last_error", slot.last_error}};
}

}  // namespace

Json make_status(const StatusInput& input) {
  const step::RunnerInfo info = input.coordinator.info();
  Json status = {{"state", name_of(info.state)},
                 {"reason", info.reason},
                 {"model", input.model},
                 {"generation", info.generation},
                 {"kv_tokens", static_cast<std::int64_t>(info.num_blocks) * info.block_size},
                 {"max_model_len", info.max_model_len},
                 {"ranks", Json::array()},
                 {"machines", Json::array()},
                 {"refused", input.refusals}};
  for (std::size_t rank = 0; rank < input.coordinator.slots().size(); ++rank) status["ranks"].push_back(rank_status(input, rank));
  for (const auto& [id, agent] : input.coordinator.agents()) {
    const auto round_trip = input.agent_round_trip_ms.find(id);
    status["machines"].push_back({{"machine", agent.hello.machine},
                                  {"is_head", agent.is_local},
                                  {"address", agent.hello.address},
                                  {"interface", agent.hello.interface},
                                  {"cpu", agent.hello.cpu},
                                  {"num_threads", agent.hello.num_threads},
                                  {"memory_budget_bytes", agent.hello.memory_budget_bytes},
                                  {"read_gb_s", agent.hello.read_gb_s},
                                  {"round_trip_ms", milliseconds_or_null(round_trip == input.agent_round_trip_ms.end() ? -1 : round_trip->second)}});
  }
  return status;
}

}  // namespace tandem::cluster
