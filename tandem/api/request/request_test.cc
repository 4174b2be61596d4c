// Requests from JSON: ranges, forms, caps, and what is refused until it is offered.
#include <gtest/gtest.h>

#include "tandem/api/api_error.h"
#include "tandem/api/request/chat_request.h"
#include "tandem/api/request/completion_request.h"
#include "tandem/api/testing/fake_model.h"
#include "tandem/base/strings.h"

namespace tandem::api {
namespace {

/// One model for all tests of this file; nothing is generated.
const Model& model() {
  static SteadyClock clock;
  static testing::RecitingRunner runner("");
  static const Model model = [] {
    Model made = testing::fake_model(runner, {}, clock);
    made.max_token_bytes = 8;
    return made;
  }();
  return model;
}

GenerationFields parse(const Json& body, Endpoint endpoint = Endpoint::kChat) {
  return parse_generation_fields(Field(body), endpoint, model());
}

/// The param of the refusal; "(accepted)" when there was none.
template <typename F>
std::string refused_param(F read) {
  try {
    read();
  } catch (const ApiError& e) {
    EXPECT_EQ(e.status(), 400) << e.what();
    return e.param();
  }
  return "(accepted)";
}

Json chat_with(const std::string& text) {
  return parse_body("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]," + text + "}");
}

std::string chat_param(const std::string& text) {
  return refused_param([&] {
    const Json body = chat_with(text);
    parse(body);
    parse_conversation(Field(body), model());
  });
}

struct Parameter {
  const char* name;
  bool is_whole;
  const char *lowest, *highest;  ///< accepted
  const char *below, *above;     ///< refused
  Endpoint endpoint = Endpoint::kChat;
  const char* with = "";  ///< members that the parameter needs
};

class NumericParameters : public ::testing::TestWithParam<Parameter> {
 protected:
  std::string param_with(const std::string& value) const {
    const Parameter& p = GetParam();
    return refused_param([&] {
      const Json body = parse_body("{\"" + std::string(p.name) + "\":" + value + p.with + "}");
      parse(body, p.endpoint);
    });
  }
};

TEST_P(NumericParameters, are_refused_outside_their_range_and_by_type) {
  const Parameter& p = GetParam();
  EXPECT_EQ(param_with(p.lowest), "(accepted)");
  EXPECT_EQ(param_with(p.highest), "(accepted)");
  EXPECT_EQ(param_with("null"), "(accepted)");
  std::vector<std::string> bad = {p.below,
                                  p.above,
                                  "NaN",
                                  "Infinity",
                                  "-Infinity",
                                  "1e400",
                                  "-1e400",
                                  "\"1\"",
                                  "true",
                                  "[1]",
                                  "{}",
                                  "\"\"",
                                  "18446744073709551616",
                                  "-9223372036854775809",
                                  "1e308"};
  if (std::string_view(p.highest) != "9223372036854775807") {
    bad.insert(bad.end(),
               {"2147483648", "9223372036854775808", "9223372036854775807", "-2147483649"});
  }
  if (p.is_whole) bad.insert(bad.end(), {"1.5", "0.999999999999"});
  for (const std::string& value : bad) EXPECT_EQ(param_with(value), p.name) << value;
}

INSTANTIATE_TEST_SUITE_P(
    Requests, NumericParameters,
    ::testing::Values(Parameter{"temperature", false, "0", "100", "-0.0001", "100.001"},
                      Parameter{"top_p", false, "0.0001", "1", "0", "1.0001"},
                      Parameter{"top_k", true, "-1", "2147483647", "-2", "2147483648"},
                      Parameter{"min_p", false, "0", "1", "-0.1", "1.1"},
                      Parameter{"repetition_penalty", false, "0.1", "2", "0", "2.1"},
                      Parameter{"frequency_penalty", false, "-2", "2", "-2.1", "2.1"},
                      Parameter{"presence_penalty", false, "-2", "2", "-2.1", "2.1"},
                      Parameter{"n", true, "1", "128", "0", "129"},
                      Parameter{"seed", true, "-9223372036854775808", "9223372036854775807",
                                "-9223372036854775809", "9223372036854775808"},
                      Parameter{"max_tokens", true, "1", "2147483647", "0", "2147483648"},
                      Parameter{"max_completion_tokens", true, "1", "2147483647", "0",
                                "2147483648"},
                      Parameter{"min_tokens", true, "0", "2147483647", "-1", "2147483648"},
                      Parameter{"top_logprobs", true, "0", "20", "-1", "21", Endpoint::kChat,
                                ",\"logprobs\":true"},
                      Parameter{"logprobs", true, "0", "20", "-1", "21", Endpoint::kCompletions}),
    [](const auto& info) { return info.param.name; });

TEST(Requests, defaults_come_from_the_model_and_null_is_absent) {
  Model other = model();
  other.default_sampling.temperature = 0.6f;
  other.default_sampling.top_k = 20;
  const Json body = parse_body(
      R"({"temperature":null,"top_k":5,"stop":null,"stream_options":null,"logit_bias":null})");
  const GenerationFields fields = parse_generation_fields(Field(body), Endpoint::kChat, other);
  EXPECT_FLOAT_EQ(fields.sampling.temperature, 0.6f);
  EXPECT_EQ(fields.sampling.top_k, 5);
  EXPECT_EQ(fields.max_tokens, -1);
  EXPECT_EQ(parse(Json::object(), Endpoint::kCompletions).max_tokens, 16);
  EXPECT_FALSE(fields.seed);
}

TEST(Requests, values_that_float_cannot_hold_stay_inside_their_range) {
  EXPECT_GT(parse(parse_body(R"({"top_p":1e-60})")).sampling.top_p, 0.0f);
  EXPECT_GT(parse(parse_body(R"({"repetition_penalty":1e-60})")).sampling.repetition_penalty, 0.0f);
  EXPECT_FLOAT_EQ(parse(parse_body(R"({"temperature":1e-60})")).sampling.temperature, 0.0f);
  EXPECT_FLOAT_EQ(parse(parse_body(R"({"temperature":0.001})")).sampling.temperature, 0.01f);
}

TEST(Requests, amplifying_lists_are_capped) {
  const auto list = [](std::size_t count, const std::string& element) {
    return "[" + join(std::vector<std::string>(count, element), ",") + "]";
  };
  EXPECT_EQ(chat_param("\"stop\":" + list(16, "\"a\"")), "(accepted)");
  EXPECT_EQ(chat_param("\"stop\":" + list(17, "\"a\"")), "stop");
  EXPECT_EQ(chat_param("\"stop\":[\"" + std::string(1025, 'a') + "\"]"), "stop[0]");
  EXPECT_EQ(chat_param("\"stop\":[\"a\",1]"), "stop[1]");
  EXPECT_EQ(chat_param("\"stop\":7"), "stop");
  EXPECT_EQ(chat_param("\"stop_token_ids\":" + list(257, "1")), "stop_token_ids");
  EXPECT_EQ(chat_param("\"stop_token_ids\":[1,259]"), "stop_token_ids[1]");
  EXPECT_EQ(chat_param("\"stop_token_ids\":[-1]"), "stop_token_ids[0]");
  EXPECT_EQ(chat_param("\"stop_token_ids\":[1.0]"), "stop_token_ids[0]");
}

TEST(Requests, logit_bias_names_tokens_and_stays_in_range) {
  EXPECT_EQ(parse(parse_body(R"({"logit_bias":{"5":-100,"7":1.5}})")).sampling.logit_bias.size(),
            2u);
  EXPECT_EQ(chat_param(R"("logit_bias":{"5":101})"), "logit_bias.5");
  EXPECT_EQ(chat_param(R"("logit_bias":{"x":1})"), "logit_bias.x");
  EXPECT_EQ(chat_param(R"("logit_bias":{"259":1})"), "logit_bias.259");
  EXPECT_EQ(chat_param(R"("logit_bias":{"-1":1})"), "logit_bias.-1");
  EXPECT_EQ(chat_param(R"("logit_bias":{"5":"1"})"), "logit_bias.5");
  EXPECT_EQ(chat_param(R"("logit_bias":{"5":1,"05":2})"), "logit_bias");
  EXPECT_EQ(chat_param(R"("logit_bias":[1])"), "logit_bias");
  std::string many = "\"0\":1";
  for (int i = 1; i < 1025; ++i) many += ",\"" + std::to_string(i) + "\":1";
  EXPECT_EQ(chat_param("\"logit_bias\":{" + many + "}"), "logit_bias");
}

TEST(Requests, what_is_not_offered_yet_says_so) {
  EXPECT_EQ(chat_param(R"("tools":[{"type":"function"}])"), "tools");
  EXPECT_EQ(chat_param(R"("tool_choice":"required")"), "tool_choice");
  EXPECT_EQ(chat_param(R"("response_format":{"type":"json_object"})"), "response_format");
  EXPECT_EQ(chat_param(R"("response_format":{})"), "response_format");
  EXPECT_EQ(chat_param(R"("best_of":2)"), "best_of");
  EXPECT_EQ(chat_param(R"("echo":true)"), "echo");
  EXPECT_EQ(chat_param(R"("suffix":"x")"), "suffix");
  EXPECT_EQ(chat_param(R"("prompt_logprobs":0)"), "prompt_logprobs");
  EXPECT_EQ(chat_param(R"("structured_outputs":{"regex":"x"})"), "structured_outputs");
}

TEST(Requests, harmless_forms_of_the_same_are_taken) {
  EXPECT_EQ(
      chat_param(
          R"("tools":[],"tool_choice":"none","response_format":{"type":"text"},"best_of":1,"echo":false)"),
      "(accepted)");
  EXPECT_EQ(
      chat_param(
          R"("user":"u","store":true,"metadata":{"a":"b"},"cache_prompt":false,"x_unknown":[1,{}])"),
      "(accepted)");
}

TEST(Requests, top_logprobs_need_logprobs) {
  EXPECT_EQ(chat_param(R"("top_logprobs":3)"), "top_logprobs");
}

TEST(Requests, min_tokens_may_not_exceed_max_tokens) {
  EXPECT_EQ(chat_param(R"("min_tokens":6,"max_tokens":5)"), "min_tokens");
}

TEST(Requests, end_tokens_are_forbidden_before_min_tokens_also_under_ignore_eos) {
  const Json body = parse_body(R"({"min_tokens":3,"ignore_eos":true,"stop_token_ids":[7]})");
  const auto request = make_engine_request(parse(body), model(), "id", {1});
  EXPECT_TRUE(request.end_ids.empty());
  EXPECT_EQ(request.sampling.end_ids, (std::vector<step::TokenId>{testing::kEos, 7}));
}

TEST(Requests, clients_may_not_supply_templates) {
  EXPECT_EQ(chat_param(R"("chat_template":"{{ 1 }}")"), "chat_template");
  EXPECT_EQ(chat_param(R"("chat_template_kwargs":{"chat_template":"x"})"),
            "chat_template_kwargs.chat_template");
  EXPECT_EQ(chat_param(R"("chat_template_kwargs":{"tokenize":true})"),
            "chat_template_kwargs.tokenize");
  EXPECT_EQ(chat_param(R"("chat_template_kwargs":{"enable_thinking":{"a":1}})"),
            "chat_template_kwargs.enable_thinking");
  EXPECT_EQ(chat_param(R"("chat_template_kwargs":{"date_string":"<|end|>"})"),
            "chat_template_kwargs.date_string");
  EXPECT_EQ(chat_param(R"("chat_template_kwargs":{"enable_thinking":false})"), "(accepted)");
}

TEST(Requests, reasoning_effort_none_turns_thinking_off) {
  const Json none = chat_with(R"("reasoning_effort":"none")"),
             high = chat_with(R"("reasoning_effort":"high")");
  EXPECT_EQ(parse_conversation(Field(none), model()).input.extra_variables,
            Json({{"enable_thinking", false}}));
  EXPECT_EQ(parse_conversation(Field(high), model()).input.extra_variables,
            Json({{"reasoning_effort", "high"}}));
  EXPECT_EQ(chat_param(R"("reasoning_effort":"huge")"), "reasoning_effort");
}

TEST(Requests, continuing_the_final_message_replaces_the_generation_prompt) {
  const Json body = chat_with(R"("continue_final_message":true)");
  EXPECT_FALSE(parse_conversation(Field(body), model()).input.add_generation_prompt);
  EXPECT_EQ(chat_param(R"("continue_final_message":true,"add_generation_prompt":true)"),
            "add_generation_prompt");
}

std::string message_param(const std::string& messages) {
  return refused_param([&] {
    const Json body = parse_body("{\"messages\":" + messages + "}");
    parse_conversation(Field(body), model());
  });
}

TEST(Messages, bad_forms_are_named) {
  EXPECT_EQ(message_param("null"), "messages");
  EXPECT_EQ(message_param("[]"), "messages");
  EXPECT_EQ(message_param("{}"), "messages");
  EXPECT_EQ(message_param("\"hi\""), "messages");
  EXPECT_EQ(message_param("[1]"), "messages[0]");
  EXPECT_EQ(message_param("[{}]"), "messages[0].role");
  EXPECT_EQ(message_param(R"([{"role":"king","content":"x"}])"), "messages[0].role");
  EXPECT_EQ(message_param(R"([{"role":"user","content":7}])"), "messages[0].content");
  EXPECT_EQ(message_param(R"([{"role":"user","content":[{"type":"text"}]}])"),
            "messages[0].content[0].text");
  EXPECT_EQ(message_param(R"([{"role":"user","content":[7]}])"), "messages[0].content[0]");
  EXPECT_EQ(
      message_param(
          R"([{"role":"user","content":[{"type":"image_url","image_url":{"url":"http://x"}}]}])"),
      "messages[0].content[0].type");
  EXPECT_EQ(message_param(R"([{"role":"assistant","tool_calls":[{"function":{}}]}])"),
            "messages[0].tool_calls[0].function.name");
  EXPECT_EQ(
      message_param("[" + join(std::vector<std::string>(16385, R"({"role":"user"})"), ",") + "]"),
      "messages");
}

TEST(Messages, every_role_takes_a_string_null_or_parts) {
  for (const char* role : {"system", "developer", "user", "assistant", "tool", "function"}) {
    for (const char* content : {R"("x")", "null", R"([{"type":"text","text":"x"}])", "[]",
                                R"([{"type":"refusal","refusal":"no"}])"}) {
      EXPECT_EQ(
          message_param("[{\"role\":\"" + std::string(role) + "\",\"content\":" + content + "}]"),
          "(accepted)")
          << role << " " << content;
    }
  }
}

TEST(Messages, parts_become_one_string_and_arguments_an_object) {
  const Json body = parse_body(R"({"messages":[
      {"role":"developer","content":[{"type":"text","text":"a"},
          {"type":"text","text":"b","cache_control":{"type":"ephemeral"}}]},
      {"role":"assistant","content":null,"reasoning":"r","tool_calls":[{"id":"1","type":"function",
          "function":{"name":"f","arguments":"{\"x\":1}"}}]},
      {"role":"tool","tool_call_id":"1","content":"ok","name":"f"}]})");
  const Json messages = parse_conversation(Field(body), model()).input.messages;
  EXPECT_EQ(messages[0], Json({{"role", "system"}, {"content", "a\nb"}}));
  EXPECT_EQ(messages[1]["content"], "");
  EXPECT_EQ(messages[1]["reasoning_content"], "r");
  EXPECT_EQ(messages[1]["tool_calls"][0]["function"]["arguments"], Json({{"x", 1}}));
  EXPECT_EQ(messages[2]["tool_call_id"], "1");
}

TEST(Messages, parts_stay_parts_for_a_template_that_iterates_over_them) {
  Model other = model();
  other.chat_template = std::make_shared<const text::ChatTemplate>(text::ChatTemplate::parse(
      "{% for m in messages %}{% for p in m.content %}{{ p.text }}{% endfor %}{% endfor %}", "",
      ""));
  const Json body = parse_body(R"({"messages":[{"role":"user","content":"x"}]})");
  const Json content = parse_conversation(Field(body), other).input.messages[0]["content"];
  EXPECT_EQ(content, Json::array({{{"type", "text"}, {"text", "x"}}}));
}

std::string prompt_param(const std::string& prompt, std::int32_t n = 1) {
  return refused_param([&] {
    const Json body = parse_body("{\"prompt\":" + prompt + "}");
    parse_prompts(Field(body), model(), n, [] { return false; });
  });
}

TEST(Prompts, bad_forms_are_named) {
  EXPECT_EQ(prompt_param("null"), "prompt");
  EXPECT_EQ(prompt_param("\"\""), "prompt");
  EXPECT_EQ(prompt_param("[]"), "prompt");
  EXPECT_EQ(prompt_param("{}"), "prompt");
  EXPECT_EQ(prompt_param("7"), "prompt");
  EXPECT_EQ(prompt_param("[1,259]"), "prompt[1]");
  EXPECT_EQ(prompt_param("[1,-1]"), "prompt[1]");
  EXPECT_EQ(prompt_param("[1,1.5]"), "prompt[1]");
  EXPECT_EQ(prompt_param("[1,\"a\"]"), "prompt[1]");
  EXPECT_EQ(prompt_param("[[1],[2,\"a\"]]"), "prompt[1][1]");
  EXPECT_EQ(prompt_param("[\"a\",\"\"]"), "prompt[1]");
  EXPECT_EQ(prompt_param("[\"a\",null]"), "prompt[1]");
  EXPECT_EQ(prompt_param("[[]]"), "prompt[0]");
  EXPECT_EQ(prompt_param("[true]"), "prompt[0]");
}

TEST(Prompts, lists_are_capped_together_with_n) {
  const auto list = [](std::size_t count) {
    return "[" + join(std::vector<std::string>(count, "\"a\""), ",") + "]";
  };
  EXPECT_EQ(prompt_param(list(1024)), "(accepted)");
  EXPECT_EQ(prompt_param(list(1025)), "prompt");
  EXPECT_EQ(prompt_param(list(100), 10), "(accepted)");
  EXPECT_EQ(prompt_param(list(100), 11), "prompt");
}

TEST(Prompts, work_for_a_vanished_client_stops) {
  const Json body = parse_body(R"({"prompt":["a","b"]})");
  EXPECT_THROW(parse_prompts(Field(body), model(), 1, [] { return true; }), Error);
}

TEST(Prompts, text_that_can_never_fit_is_refused_before_it_is_encoded) {
  // 2048 tokens of at most 8 bytes, and a normalizer's slack of 4.
  EXPECT_NO_THROW(require_may_fit_context(2047 * 8 * 4, model()));
  EXPECT_THROW(require_may_fit_context(2049 * 8 * 4, model()), ApiError);
}

}  // namespace
}  // namespace tandem::api
