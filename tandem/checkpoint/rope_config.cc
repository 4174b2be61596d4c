#include "tandem/checkpoint/rope_config.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "tandem/base/error.h"

namespace tandem::checkpoint {
namespace {

using Type = RopeConfig::Type;

constexpr double kMaxTheta = 1e15;
constexpr double kMaxFactor = 1e6;
constexpr std::int64_t kMaxPosition = std::int64_t{1} << 30;

Type type_of(const FieldReader& parameters) {
  static constexpr std::pair<std::string_view, Type> kTypes[] = {
      {"default", Type::kDefault}, {"linear", Type::kLinear}, {"dynamic", Type::kDynamic},
      {"llama3", Type::kLlama3},   {"yarn", Type::kYarn},     {"longrope", Type::kLongRope}};
  const std::string key = parameters.has("rope_type") ? "rope_type" : "type";
  const std::string name = parameters.text(key).value_or("default");
  for (const auto& [known, type] : kTypes) {
    if (name == known) return type;
  }
  throw Error(Code::kUnsupported,
              parameters.where() + ": " + key + " \"" + name.substr(0, 40) +
                  "\" is not known; known are default, linear, dynamic, llama3, yarn, longrope");
}

double required_factor(const FieldReader& parameters, std::string_view name) {
  const auto value = parameters.number(name, 1e-6, kMaxFactor);
  if (!value) parameters.refuse(name, "a number");
  return *value;
}

/// How much yarn scales cos and sin (arXiv 2309.00071 §3.4).
double yarn_attention_factor(const FieldReader& parameters, double factor) {
  const auto mscale_of = [](double scale, double mscale) {
    return scale <= 1 ? 1.0 : 0.1 * mscale * std::log(scale) + 1.0;
  };
  const double mscale = parameters.number("mscale", 0, 1e3).value_or(0);
  const double mscale_all = parameters.number("mscale_all_dim", 0, 1e3).value_or(0);
  if (mscale != 0 && mscale_all != 0) return mscale_of(factor, mscale) / mscale_of(factor, mscale_all);
  return mscale_of(factor, 1.0);
}

double longrope_attention_factor(double factor, std::int64_t original_max_position) {
  if (factor <= 1) return 1.0;
  return std::sqrt(1 + std::log(factor) / std::log(static_cast<double>(original_max_position)));
}

std::vector<double> longrope_factors(const FieldReader& parameters, std::string_view name,
                                     std::int32_t rotary_dim) {
  const auto count = static_cast<std::size_t>(rotary_dim / 2);
  auto factors = parameters.numbers(name, count, 1e-6, kMaxFactor);
  if (!factors || factors->size() != count) {
    parameters.refuse(name, "a list of " + std::to_string(count) + " numbers, half the rotary dimension");
  }
  return *factors;
}

/// phi rotates the first part of each head; the others' rotation in transformers has no such part.
std::int32_t read_rotary_dim(const FieldReader& config, const FieldReader& parameters,
                             const ModelConfig& model) {
  const bool is_phi = model.architecture == Architecture::kPhi;
  const FieldReader& holder = parameters.has("partial_rotary_factor") ? parameters : config;
  const double part = holder.number("partial_rotary_factor", 1e-3, 1).value_or(is_phi ? 0.5 : 1.0);
  const auto dim = static_cast<std::int32_t>(model.head_dim * part);
  if (!is_phi && dim != model.head_dim) {
    throw Error(Code::kUnsupported,
                config.where() + ": partial_rotary_factor below 1 is known for phi alone");
  }
  if (dim < 2 || dim % 2 != 0) {
    throw Error(Code::kCorrupt, config.where() + ": the rotary dimension is " + std::to_string(dim) +
                                    " (of head dimension " + std::to_string(model.head_dim) +
                                    "); must be even");
  }
  return dim;
}

void read_scaling(const FieldReader& parameters, const ModelConfig& model, RopeConfig& rope) {
  switch (rope.type) {
    case Type::kDefault: return;
    case Type::kLinear:
    case Type::kDynamic: rope.factor = required_factor(parameters, "factor"); return;
    case Type::kLlama3:
      rope.factor = required_factor(parameters, "factor");
      rope.low_freq_factor = required_factor(parameters, "low_freq_factor");
      rope.high_freq_factor = required_factor(parameters, "high_freq_factor");
      if (rope.high_freq_factor <= rope.low_freq_factor)
        parameters.refuse("high_freq_factor", "above low_freq_factor");
      return;
    case Type::kYarn:
    case Type::kLongRope: break;
  }
  const double ratio =
      static_cast<double>(model.max_position) / static_cast<double>(rope.original_max_position);
  rope.factor = parameters.number("factor", 1e-6, kMaxFactor).value_or(ratio);
  const auto attention_factor = parameters.number("attention_factor", 0, 1e3);
  if (rope.type == Type::kYarn) {
    rope.attention_factor = attention_factor.value_or(yarn_attention_factor(parameters, rope.factor));
    // transformers reads a zero as absent.
    const double fast = parameters.number("beta_fast", 0, 1e6).value_or(0);
    const double slow = parameters.number("beta_slow", 0, 1e6).value_or(0);
    rope.beta_fast = fast != 0 ? fast : 32;
    rope.beta_slow = slow != 0 ? slow : 1;
    rope.truncate = parameters.flag("truncate").value_or(true);
  } else {
    rope.attention_factor =
        attention_factor.value_or(longrope_attention_factor(rope.factor, rope.original_max_position));
    rope.short_factor = longrope_factors(parameters, "short_factor", rope.rotary_dim);
    rope.long_factor = longrope_factors(parameters, "long_factor", rope.rotary_dim);
  }
}

}  // namespace

RopeConfig read_rope(const FieldReader& config, const ModelConfig& model) {
  static const Json kNone = Json::object();
  // The order of transformers: a non-empty rope_scaling hides rope_parameters, whose own values hide those
  // beside it.
  std::optional<FieldReader> given = config.object("rope_scaling");
  if (!given || given->json().empty()) given = config.object("rope_parameters");
  const FieldReader parameters = given ? *given : FieldReader(kNone, config.where());
  for (const std::string_view layer_type : {"full_attention", "sliding_attention"}) {
    if (parameters.has(layer_type)) {
      throw Error(Code::kUnsupported, parameters.where() + ": one rope for \"" + std::string(layer_type) +
                                          "\" layers and another for the rest is not offered");
    }
  }
  RopeConfig rope;
  rope.type = type_of(parameters);
  const FieldReader& theta = parameters.mentions("rope_theta") ? parameters : config;
  rope.theta = theta.number("rope_theta", 1, kMaxTheta).value_or(10000.0);
  rope.rotary_dim = read_rotary_dim(config, parameters, model);
  const bool reads_original =
      rope.type == Type::kLlama3 || rope.type == Type::kYarn || rope.type == Type::kLongRope;
  if (reads_original) {
    const FieldReader& holder = config.has("original_max_position_embeddings") ? config : parameters;
    rope.original_max_position =
        holder.integer("original_max_position_embeddings", 2, kMaxPosition).value_or(model.max_position);
  } else {
    rope.original_max_position = model.max_position;
  }
  read_scaling(parameters, model, rope);
  return rope;
}

}  // namespace tandem::checkpoint
