// What /v1/chat/completions and /v1/completions have in common: sampling, limits, stops, streaming.
// Validated against the model, so that everything below may trust it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tandem/api/api.h"
#include "tandem/api/json_body.h"
#include "tandem/engine/engine.h"

namespace tandem::api {

/// Caps on what a request may multiply; each is checked before anything is allocated for it.
inline constexpr std::int64_t kMaxChoices = 128;  ///< n
inline constexpr std::size_t kMaxPrompts = 1024;  ///< prompts, and prompts × n
inline constexpr std::size_t kMaxStops = 16;
inline constexpr std::size_t kMaxStopBytes = 1024;    ///< each
inline constexpr std::size_t kMaxStopTokenIds = 256;  ///< with the model's own end tokens
inline constexpr std::size_t kMaxLogitBias = 1024;
inline constexpr std::int64_t kMaxTopLogprobs = 20;
inline constexpr double kMaxTemperature = 100;           ///< flat for any real model
inline constexpr std::size_t kMaxNameBytes = 512;        ///< model names and the like
inline constexpr std::size_t kMaxTextBytes = 64u << 20;  ///< the body's own limit is lower

struct GenerationFields {
  /// choice and seed are set per engine request; num_logprobs from logprobs/top_logprobs.
  step::SamplingParams sampling;
  std::optional<std::uint64_t> seed;
  std::int32_t n = 1;
  std::int32_t max_tokens = -1;  ///< -1: until an end token or the context's end
  std::vector<std::string> stop;
  std::vector<step::TokenId> stop_token_ids;
  bool ignore_eos = false;
  bool include_stop_str = false;
  bool skip_special_tokens = true;
  bool return_token_ids = false;
  bool tokens_as_ids = false;  ///< logprobs name tokens "token_id:N"
  bool stream = false;
  bool include_usage = false;
  bool continuous_usage = false;
};

enum class Endpoint { kChat, kCompletions };

/// Reads every common field of `body`; throws ApiError 400 that names the first bad one, or one
/// that is not offered yet.
GenerationFields parse_generation_fields(const Field& body, Endpoint endpoint, const Model& model);

/// The engine's request for one prompt; draws a seed when the client gave none.
engine::GenerationRequest make_engine_request(const GenerationFields& fields, const Model& model,
                                              std::string id, std::vector<step::TokenId> prompt);

/// Token ids in [0, vocab_size); without making a Field for each, as a prompt may have millions.
std::vector<step::TokenId> parse_token_ids(const Field& list, std::int32_t vocab_size,
                                           std::size_t max);

/// The model that the body names; ApiError 404 that lists the served ones, 503 when there is none
/// yet.
std::shared_ptr<const Model> find_model(const Models& models, const std::string& name);

/// The body's "model", "" when absent.
std::string parse_model_name(const Field& body);

/// Says in the debug log which members nobody reads.
void log_unknown_fields(const Field& body, std::span<const std::string_view> own_fields);

}  // namespace tandem::api
