#include "tandem/link/messages.h"

#include <string_view>

namespace tandem::link {

#define TANDEM_FIELDS NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT
TANDEM_FIELDS(StageCounters, steps, tokens, compute_s, wait_s, wire_s, wire_bytes, resident_bytes)
TANDEM_FIELDS(HeartbeatMessage, sequence, echo, held_ms, counters)
TANDEM_FIELDS(Refused, reason)
TANDEM_FIELDS(LogLines, stage, level, lines)
TANDEM_FIELDS(AgentHello, machine, machine_id, instance, cpu, device, address, interface, memory_budget_bytes, memory_total_bytes,
              read_gb_s, num_threads, preferred_rank, num_stages)
TANDEM_FIELDS(DoctorSend, duration_ms)
TANDEM_FIELDS(DoctorBulkEnd, bytes, seconds)
TANDEM_FIELDS(DoctorMeeting, address, port, token, failure)
TANDEM_FIELDS(DoctorReached, failure)
TANDEM_FIELDS(AgentWelcome, head_version, model)
TANDEM_FIELDS(StartStage, stage, deployment, rank, num_threads, device, ops, kernels)
TANDEM_FIELDS(StopStage, stage, reason)
TANDEM_FIELDS(StageExited, stage, exit_code, signal, last_lines)
TANDEM_FIELDS(ShareMessage, first_layer, end_layer, embedding, head, shard, num_shards)
TANDEM_FIELDS(TensorMessage, name, dtype, shape, sha256)
TANDEM_FIELDS(PrepareSlice, stage, model, structure, share, config, generation_config, tensors)
TANDEM_FIELDS(SliceProgress, stage, done_bytes, total_bytes)
TANDEM_FIELDS(SliceReady, stage, folder, source)
TANDEM_FIELDS(SliceFailed, stage, reason)
TANDEM_FIELDS(SliceRequest, stage, pieces)
TANDEM_FIELDS(StageHello, stage, pid, device, transport, kernels)
TANDEM_FIELDS(Form, generation, rank, size, address, peer_addresses, peer_names)
TANDEM_FIELDS(Formed, generation)
TANDEM_FIELDS(StoreGet, generation, key)
TANDEM_FIELDS(Load, folder, share, dtype, kv_dtype, vocab_limit, block_size)
TANDEM_FIELDS(LoadProgress, done_bytes, total_bytes)
TANDEM_FIELDS(Loaded, weight_bytes, kv_block_bytes, seconds)
TANDEM_FIELDS(Begin, generation, num_blocks, block_size, max_model_len)
TANDEM_FIELDS(Began, generation)
TANDEM_FIELDS(EndGeneration, generation)
TANDEM_FIELDS(Failed, generation, phase, code, reason)
#undef TANDEM_FIELDS

std::size_t max_payload_bytes(std::uint8_t type) {
  switch (static_cast<Message>(type)) {
    case Message::kHeartbeat:
    case Message::kFormed:
    case Message::kStoreGet:
    case Message::kBegin:
    case Message::kBegan:
    case Message::kEndGeneration:
    case Message::kLoadProgress:
    case Message::kLoaded:
    case Message::kSliceProgress:
    case Message::kSliceEnd:
    case Message::kDoctorEcho:
    case Message::kDoctorBulkEnd:
    case Message::kDoctorSend:
    case Message::kDoctorListen:
    case Message::kDoctorReach:
    case Message::kDoctorReached:
      return 4 << 10;
    case Message::kRefused:
    case Message::kAgentHello:
    case Message::kAgentWelcome:
    case Message::kStartStage:
    case Message::kStopStage:
    case Message::kSliceReady:
    case Message::kSliceFailed:
    case Message::kStageHello:
    case Message::kForm:
    case Message::kStoreSet:
    case Message::kStoreValue:
    case Message::kLoad:
    case Message::kFailed:
      return 64 << 10;
    case Message::kLogLines:
    case Message::kStageExited:
      return 1 << 20;
    case Message::kDoctorBulk:
      return kDoctorBulkBytes;
    case Message::kPrepareSlice:
    case Message::kSliceRequest:
      return 16 << 20;
    case Message::kPiece:
      return kPieceBytes + 36;
    case Message::kPlan:
    case Message::kResult:
      return 64 << 20;
  }
  return 0;
}

Bytes encode(const StoreEntry& entry) {
  ByteWriter out;
  out.put(entry.generation);
  out.put_string(entry.key);
  out.put_array(entry.value);
  return out.take();
}

StoreEntry decode_store_entry(std::span<const std::uint8_t> payload) {
  ByteReader in(payload, "store entry");
  StoreEntry entry;
  entry.generation = in.get<std::uint64_t>();
  entry.key = in.get_string(1024);
  entry.value = in.get_array<std::uint8_t>(16 << 10);
  in.expect_end();
  return entry;
}

template <typename T>
Bytes encode_message(const T& message) {
  const std::string text = nlohmann::json(message).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return {text.begin(), text.end()};
}

template <typename T>
T decode_message(std::span<const std::uint8_t> payload) {
  const std::string_view text(reinterpret_cast<const char*>(payload.data()), payload.size());
  try {
    // The field macros of nlohmann 3.11 know its default type alone, so the bounded parse only checks.
    parse_json(text, "link message", {.max_bytes = 16 << 20, .max_depth = 8});
    return nlohmann::json::parse(text).template get<T>();
  } catch (const nlohmann::json::exception& e) {
    throw Error(Code::kCorrupt, std::string("link message: ") + e.what());
  } catch (const Error& e) {
    throw Error(Code::kCorrupt, e.what());
  }
}

#define TANDEM_MESSAGE(T)                    \
  template Bytes encode_message(const T&); \
  template T decode_message(std::span<const std::uint8_t>);
TANDEM_MESSAGE(HeartbeatMessage)
TANDEM_MESSAGE(Refused)
TANDEM_MESSAGE(LogLines)
TANDEM_MESSAGE(AgentHello)
TANDEM_MESSAGE(DoctorSend)
TANDEM_MESSAGE(DoctorBulkEnd)
TANDEM_MESSAGE(DoctorMeeting)
TANDEM_MESSAGE(DoctorReached)
TANDEM_MESSAGE(AgentWelcome)
TANDEM_MESSAGE(StartStage)
TANDEM_MESSAGE(StopStage)
TANDEM_MESSAGE(StageExited)
TANDEM_MESSAGE(PrepareSlice)
TANDEM_MESSAGE(SliceProgress)
TANDEM_MESSAGE(SliceReady)
TANDEM_MESSAGE(SliceFailed)
TANDEM_MESSAGE(SliceRequest)
TANDEM_MESSAGE(StageHello)
TANDEM_MESSAGE(Form)
TANDEM_MESSAGE(Formed)
TANDEM_MESSAGE(StoreGet)
TANDEM_MESSAGE(Load)
TANDEM_MESSAGE(LoadProgress)
TANDEM_MESSAGE(Loaded)
TANDEM_MESSAGE(Begin)
TANDEM_MESSAGE(Began)
TANDEM_MESSAGE(EndGeneration)
TANDEM_MESSAGE(Failed)
#undef TANDEM_MESSAGE

}  // namespace tandem::link
