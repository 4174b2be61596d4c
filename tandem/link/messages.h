// Every message that travels over a link between head, agents and stages: frame types, their limits and their fields.
// Control messages are JSON objects, so that a field can be added; plans, results, store values and weights are binary.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tandem/base/bytes.h"
#include "tandem/base/json.h"

namespace tandem::link {

/// The type byte of a frame. H head, A agent, S stage, W the agent's weights connection, D doctor.
enum class Message : std::uint8_t {
  kHeartbeat = 1,       ///< both ways, every 500 ms: HeartbeatMessage
  kRefused = 2,         ///< H→any: Refused; the link is closed after it
  kLogLines = 3,        ///< A→H: LogLines of a stage or of the agent itself

  kAgentHello = 16,     ///< A→H, first frame
  kStartStage = 17,     ///< H→A
  kStopStage = 18,      ///< H→A
  kStageExited = 19,    ///< A→H
  kPrepareSlice = 20,   ///< H→A
  kSliceProgress = 21,  ///< A→H
  kSliceReady = 22,     ///< A→H
  kSliceFailed = 23,    ///< A→H
  kAgentWelcome = 24,   ///< H→A, answers kAgentHello

  kStageHello = 32,     ///< S→H, first frame
  kForm = 33,           ///< H→S
  kFormed = 34,         ///< S→H
  kStoreSet = 35,       ///< S→H
  kStoreGet = 36,       ///< S→H; answered by kStoreValue once the key is set
  kStoreValue = 37,     ///< H→S
  kLoad = 38,           ///< H→S
  kLoadProgress = 39,   ///< S→H
  kLoaded = 40,         ///< S→H
  kBegin = 41,          ///< H→S
  kBegan = 42,          ///< S→H
  kPlan = 43,           ///< H→S, binary: step::encode(StepPlan)
  kResult = 44,         ///< S→H, from the last rank, binary: step::encode(StepResult)
  kEndGeneration = 45,  ///< H→S
  kFailed = 46,         ///< S→H: forming, loading or a step failed; Failed

  kSliceRequest = 64,   ///< W→H, first frame
  kPiece = 65,          ///< H→W, binary: u32 index, 32 bytes SHA-256, the bytes
  kSliceEnd = 66,       ///< H→W

  kDoctorEcho = 80,     ///< D→H, any bytes; answered by the same
  kDoctorBulk = 81,     ///< both ways, any bytes: filler whose pace is measured
  kDoctorBulkEnd = 82,  ///< ends a run of kDoctorBulk; D→H's is answered by one with what arrived: DoctorBulkEnd
  kDoctorSend = 83,     ///< D→H: send kDoctorBulk for a while: DoctorSend
  kDoctorListen = 84,   ///< D→H: take one plain connection on a free port: DoctorMeeting; answered by one with the port
  kDoctorReach = 85,    ///< D→H: connect plainly to this: DoctorMeeting; answered by kDoctorReached
  kDoctorReached = 86,  ///< H→D: DoctorReached
};

/// The largest payload of each type; 0 for an unknown one. The FrameLimit of every link.
std::size_t max_payload_bytes(std::uint8_t type);

inline constexpr std::size_t kPieceBytes = 4 << 20;
inline constexpr std::size_t kDoctorBulkBytes = 1 << 20;

/// Where a stage's time went since it started; ever growing, so that a lost beat loses nothing.
struct StageCounters {
  std::uint64_t steps = 0, tokens = 0;
  double compute_s = 0, wait_s = 0, wire_s = 0;
  std::uint64_t wire_bytes = 0, resident_bytes = 0;
};

struct HeartbeatMessage {
  std::uint64_t sequence = 0;      ///< of this beat
  std::uint64_t echo = 0;          ///< the peer's last sequence: its round trip time
  double held_ms = 0;              ///< how long the echo waited here; taken off the round trip
  StageCounters counters;          ///< stages only
};

struct Refused { std::string reason; };

struct LogLines {
  std::string stage;               ///< stage id; "" for the agent itself
  std::string level;               ///< "warning", "error"
  std::vector<std::string> lines;
};

/// One machine introduces itself.
struct AgentHello {
  std::string machine;             ///< host name
  std::string machine_id;          ///< equal for whoever shares this machine's memory; "": the host name stands for it
  std::string instance;            ///< random, new at each start of the agent; tells a restart from a second link
  std::string cpu;                 ///< "AMD EPYC", for people
  std::string device;              ///< what --device chose here: cpu, mps, cuda
  std::string address;             ///< where its Gloo listens; --address or the local end of its link
  std::string interface;           ///< that address's interface
  std::uint64_t memory_budget_bytes = 0, memory_total_bytes = 0;
  double read_gb_s = 0;            ///< measured, 0.3 s
  std::int32_t num_threads = 1;    ///< performance cores within affinity and quota, or --threads
  std::int32_t preferred_rank = -1;///< RANK, when started by torchrun's variables
  std::int32_t num_stages = 1;     ///< stages it may run for one deployment (--local N)
};

struct DoctorSend { std::int32_t duration_ms = 1000; };   ///< at most 2,000
struct DoctorBulkEnd { std::uint64_t bytes = 0; double seconds = 0; };
/// A plain TCP connection between the two machines, as Gloo makes them: whoever connects sends the token and gets it back.
struct DoctorMeeting {
  std::string address;             ///< who listens; in kDoctorListen "" asks for the head's own choice
  std::uint16_t port = 0;          ///< ephemeral
  std::string token;               ///< 32 hexadecimal digits, chosen by the doctor
  std::string failure;             ///< in answers: why nobody listens there
};
struct DoctorReached { std::string failure; };            ///< "" when the token came back

struct AgentWelcome { std::string head_version; std::string model; };

struct StartStage {
  std::string stage;               ///< id, unique for the head's life
  std::uint32_t deployment = 0;
  std::int32_t rank = 0;           ///< for names of log files and processes; a generation may change it
  std::int32_t num_threads = 1;
  std::string device, ops, kernels;
};
struct StopStage { std::string stage; std::string reason; };
struct StageExited {
  std::string stage;
  std::int32_t exit_code = -1;     ///< -1: ended by a signal
  std::int32_t signal = 0;
  std::vector<std::string> last_lines;  ///< at most 50
};

/// Mirrors checkpoint::Share, which this room does not know.
struct ShareMessage {
  std::int32_t first_layer = 0, end_layer = 0;
  bool embedding = false, head = false;
  std::int32_t shard = 0, num_shards = 1;
};
/// Mirrors checkpoint::TensorInfo with its content hash.
struct TensorMessage {
  std::string name, dtype;         ///< dtype: f32, f16, bf16
  std::vector<std::int64_t> shape;
  std::string sha256;              ///< hex
};
/// Asks an agent to have a slice on its disk.
struct PrepareSlice {
  std::string stage;
  std::string model;               ///< org/name, to look into the machine's own Hub cache; "" for a folder
  std::string structure;           ///< hex; checkpoint::SliceManifest's fields from here on
  ShareMessage share;
  std::string config, generation_config;
  std::vector<TensorMessage> tensors;
};
struct SliceProgress { std::string stage; std::uint64_t done_bytes = 0, total_bytes = 0; };
struct SliceReady { std::string stage; std::string folder; std::string source; };  ///< source: cache, hub, streamed
struct SliceFailed { std::string stage; std::string reason; };
/// Opens a weights connection: these pieces are still missing.
struct SliceRequest { std::string stage; std::vector<std::uint32_t> pieces; };

struct StageHello {
  std::string stage;
  std::int64_t pid = 0;
  std::string device;              ///< the one in use after "auto"
  std::string transport;           ///< gloo-tcp, gloo-uv
  std::string kernels;             ///< "scalar"
};
/// Joins the mesh of a generation.
struct Form {
  std::uint64_t generation = 0;
  std::int32_t rank = 0, size = 1;
  std::string address;                      ///< own
  std::vector<std::string> peer_addresses;  ///< by rank
  std::vector<std::string> peer_names;      ///< by rank, for messages
};
struct Formed { std::uint64_t generation = 0; };
struct StoreGet { std::uint64_t generation = 0; std::string key; };
struct Load {
  std::string folder;              ///< an ordinary model folder with at least the share's tensors
  ShareMessage share;
  std::string dtype, kv_dtype;
  std::int32_t vocab_limit = 0;    ///< the tokenizer's size: ids from here on are never sampled
  std::int32_t block_size = 16;
};
struct LoadProgress { std::uint64_t done_bytes = 0, total_bytes = 0; };
struct Loaded {
  std::uint64_t weight_bytes = 0, kv_block_bytes = 0;
  double seconds = 0;
};
struct Begin { std::uint64_t generation = 0; std::int32_t num_blocks = 0, block_size = 16, max_model_len = 0; };
struct Began { std::uint64_t generation = 0; };
struct EndGeneration { std::uint64_t generation = 0; };
struct Failed {
  std::uint64_t generation = 0;    ///< 0: not of a generation (loading)
  std::string phase;               ///< form, load, begin, step
  std::string code;                ///< to_string(Code)
  std::string reason;
};

/// kStoreSet and kStoreValue: u64 generation, string key, u32 count, bytes.
struct StoreEntry {
  std::uint64_t generation = 0;
  std::string key;
  Bytes value;
};
Bytes encode(const StoreEntry& entry);
StoreEntry decode_store_entry(std::span<const std::uint8_t> payload);

/// A control message's payload. T is one of the JSON structs above.
template <typename T>
Bytes encode_message(const T& message);
/// Throws Error{kCorrupt} naming the field; unknown fields are ignored, absent ones keep their defaults.
template <typename T>
T decode_message(std::span<const std::uint8_t> payload);

}  // namespace tandem::link
