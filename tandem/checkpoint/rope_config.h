// Reads the rotary embedding's part of config.json in its old form (rope_theta, rope_scaling) and its new one
// (rope_parameters). Called by ModelConfig::parse.
#pragma once

#include "tandem/checkpoint/field_reader.h"
#include "tandem/checkpoint/model_config.h"

namespace tandem::checkpoint {

/// What transformers' RotaryEmbeddingConfigMixin and modeling_rope_utils make of these fields; head_dim,
/// max_position and architecture of `model` must be set. Throws Error{kUnsupported} on a rope_type that it
/// does not know.
RopeConfig read_rope(const FieldReader& config, const ModelConfig& model);

}  // namespace tandem::checkpoint
