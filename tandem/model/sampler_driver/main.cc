// Shows the sampler to tests/python/test_sampler.py: logits from a file, cases as JSON on stdin; probabilities go to a file,
// f64 [V], drawn ids and log-probabilities to stdout.
#include <fstream>
#include <iostream>
#include <iterator>

#include "tandem/base/error.h"
#include "tandem/base/json.h"
#include "tandem/model/sampler.h"

namespace tandem::model {
namespace {

std::vector<float> read_floats(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(Code::kNotFound, path + ": cannot be read");
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  std::vector<float> values(bytes.size() / sizeof(float));
  std::copy_n(bytes.data(), values.size() * sizeof(float), reinterpret_cast<char*>(values.data()));
  return values;
}

step::SamplingParams read_params(const Json& json) {
  step::SamplingParams params;
  params.temperature = json.value("temperature", 1.0f);
  params.top_p = json.value("top_p", 1.0f);
  params.top_k = json.value("top_k", 0);
  params.min_p = json.value("min_p", 0.0f);
  params.repetition_penalty = json.value("repetition_penalty", 1.0f);
  params.frequency_penalty = json.value("frequency_penalty", 0.0f);
  params.presence_penalty = json.value("presence_penalty", 0.0f);
  params.logit_bias = json.value("logit_bias", decltype(params.logit_bias){});
  params.min_tokens = json.value("min_tokens", 0);
  params.end_ids = json.value("end_ids", std::vector<std::int32_t>{});
  params.num_logprobs = json.value("num_logprobs", -1);
  params.seed = json.value("seed", std::uint64_t{0});
  return params;
}

Json run_case(const Json& json) {
  const std::vector<float> logits = read_floats(json.at("logits").get<std::string>());
  const auto vocab_limit = json.value("vocab_limit", static_cast<std::int32_t>(logits.size()));
  const step::SamplingParams params = read_params(json);
  const auto output = json.value("output", std::vector<step::TokenId>{});
  TokenCounts counts;
  counts.add_prompt(json.value("prompt", std::vector<step::TokenId>{}));
  for (const step::TokenId id : output) counts.add_output(id);
  DrawContext context{.params = &params, .counts = &counts,
                      .num_output_tokens = static_cast<std::int32_t>(output.size())};

  const std::vector<double> chances = probabilities(logits, vocab_limit, context);
  std::ofstream(json.at("probabilities").get<std::string>(), std::ios::binary)
      .write(reinterpret_cast<const char*>(chances.data()), static_cast<std::streamsize>(chances.size() * sizeof(double)));
  Json result = Json::object();
  result["ids"] = Json::array();
  for (context.position = 0; context.position < json.value("num_draws", 1); ++context.position) {
    const step::TokenResult drawn = draw(logits, vocab_limit, context);
    result["ids"].push_back(drawn.id);
    result["logprob"] = drawn.logprob;
    result["rank"] = drawn.rank;
    result["top"] = Json::array();
    for (const step::TopLogprob& top : drawn.top) result["top"].push_back(Json::array({top.id, top.logprob}));
  }
  return result;
}

}  // namespace
}  // namespace tandem::model

int main() {
  try {
    const std::string text{std::istreambuf_iterator<char>(std::cin), {}};
    tandem::Json results = tandem::Json::array();
    for (const tandem::Json& json : tandem::parse_json(text, "cases")) results.push_back(tandem::model::run_case(json));
    std::cout << tandem::dump_json(results) << '\n';
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "tandem_sampler_driver: " << error.what() << '\n';
    return 1;
  }
}
