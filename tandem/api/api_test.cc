// The API over real sockets: a real server, engine and tokenizer, and a runner that recites.
#include "tandem/api/api.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <thread>

#include "tandem/api/testing/fake_model.h"
#include "tandem/http/client.h"

namespace tandem::api {
namespace {

using State = step::RunnerInfo::State;
using std::chrono::milliseconds;

constexpr const char* kReply =
    "Hello w\xC3\xB6rld!";  // 12 characters in 13 bytes, so 13 tokens and an end

class ApiTest : public ::testing::Test {
 protected:
  void SetUp() override { start({}); }
  void TearDown() override {
    runner_.pause(false);
    if (server_) server_->drain(milliseconds(2000));
  }

  void start(Options options, engine::EngineOptions engine = {}) {
    if (server_) server_->drain(milliseconds(0));
    server_ = std::make_unique<http::Server>();
    models_ = std::make_unique<Models>();
    models_->add(testing::fake_model(runner_, engine, clock_));
    mount(*server_, *models_, std::move(options));
    port_ = server_->listen("127.0.0.1", 0);
    server_->start();
  }

  http::Client client(http::Headers headers = {}) const {
    return http::Client("http://127.0.0.1:" + std::to_string(port_), std::move(headers));
  }
  Json post(const std::string& path, const Json& body, int status = 200) const {
    const auto answer = client().post(path, body, std::chrono::seconds(20));
    EXPECT_EQ(answer.status, status) << answer.body;
    return parse_json(answer.body, path);
  }
  Json get(const std::string& path, int status = 200) const {
    const auto answer = client().get(path);
    EXPECT_EQ(answer.status, status) << answer.body;
    return parse_json(answer.body, path);
  }
  /// The data of all events; "[DONE]" as a string.
  std::vector<Json> stream(const std::string& path, Json body) const {
    body["stream"] = true;
    std::vector<Json> events;
    const auto collect = [&](std::string_view data) {
      events.push_back(data == "[DONE]" ? Json("[DONE]") : parse_json(data, "event"));
      return true;
    };
    const auto answer = client().post_stream(path, body, collect, std::chrono::seconds(20));
    EXPECT_EQ(answer.status, 200) << answer.body;
    return events;
  }
  static Json chat(const std::string& text = "Hi") {
    return {{"messages", {{{"role", "user"}, {"content", text}}}}};
  }
  /// Waits for something that another thread does.
  template <typename F>
  static bool eventually(F condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }

  SteadyClock clock_;
  testing::RecitingRunner runner_{kReply};
  std::unique_ptr<Models> models_;
  std::unique_ptr<http::Server> server_;
  std::uint16_t port_ = 0;
};

TEST_F(ApiTest, chat_answers_whole) {
  const Json answer = post("/v1/chat/completions", chat());
  EXPECT_EQ(answer["object"], "chat.completion");
  EXPECT_EQ(answer["model"], "fake");
  EXPECT_EQ(answer["system_fingerprint"], "tandem-test");
  EXPECT_EQ(answer["id"].get<std::string>().substr(0, 9), "chatcmpl-");
  const Json& choice = answer["choices"][0];
  EXPECT_EQ(choice["message"]["role"], "assistant");
  EXPECT_EQ(choice["message"]["content"], kReply);
  EXPECT_TRUE(choice["message"]["refusal"].is_null());
  EXPECT_FALSE(choice["message"].contains("tool_calls"));
  EXPECT_TRUE(choice["logprobs"].is_null());
  EXPECT_EQ(choice["finish_reason"], "stop");
  const std::string prompt = "<s>user: Hi<|end|><s>assistant: ";
  EXPECT_EQ(answer["usage"]["prompt_tokens"], prompt.size() - 2 * 2 - 6);
  EXPECT_EQ(answer["usage"]["completion_tokens"], 14);
  EXPECT_TRUE(answer["usage"]["prompt_tokens_details"]["cached_tokens"].is_number());
  EXPECT_EQ(answer["timings"]["predicted_n"], 14);
  for (const char* name : {"queue_ms", "prompt_ms", "predicted_ms"}) {
    EXPECT_GE(answer["timings"][name].get<double>(), 0.0) << name;
    EXPECT_LT(answer["timings"][name].get<double>(), 60'000.0) << name;
  }
}

TEST_F(ApiTest, a_stream_has_one_token_a_chunk_and_says_what_the_whole_says) {
  const auto events = stream("/v1/chat/completions", chat());
  ASSERT_EQ(events.size(), 15u);  // 13 bytes, the end token, [DONE]
  EXPECT_EQ(events.back(), "[DONE]");
  std::string text;
  for (std::size_t i = 0; i + 1 < events.size(); ++i) {
    EXPECT_EQ(events[i]["object"], "chat.completion.chunk");
    EXPECT_EQ(events[i]["id"], events[0]["id"]);
    EXPECT_FALSE(events[i].contains("usage"));
    const Json& choice = events[i]["choices"][0];
    EXPECT_EQ(choice["index"], 0);
    EXPECT_EQ(choice["delta"].contains("role"), i == 0);
    EXPECT_EQ(choice["finish_reason"].is_null(), i != 13);
    text += choice["delta"].value("content", "");
  }
  EXPECT_EQ(text, kReply);
  EXPECT_EQ(events[13]["choices"][0]["finish_reason"], "stop");
  EXPECT_TRUE(events[13].contains("timings"));
}

TEST_F(ApiTest, a_character_of_two_tokens_is_never_cut) {
  for (const Json& event : stream("/v1/chat/completions", chat())) {
    EXPECT_EQ(dump_json(event).find("\xEF\xBF\xBD"), std::string::npos);
  }
}

TEST_F(ApiTest, usage_comes_in_a_chunk_without_choices_when_asked_for) {
  Json body = chat();
  body["stream_options"] = {{"include_usage", true}};
  const auto events = stream("/v1/chat/completions", body);
  ASSERT_EQ(events.size(), 16u);
  EXPECT_EQ(events[14]["choices"], Json::array());
  EXPECT_EQ(events[14]["usage"]["completion_tokens"], 14);
  body["stream_options"]["continuous_usage_stats"] = true;
  const auto continuous = stream("/v1/chat/completions", body);
  for (int i = 0; i < 14; ++i) EXPECT_EQ(continuous[i]["usage"]["completion_tokens"], i + 1);
}

TEST_F(ApiTest, stop_strings_end_an_answer_across_tokens) {
  Json body = chat();
  body["stop"] = {"never", "wör"};
  const Json choice = post("/v1/chat/completions", body)["choices"][0];
  EXPECT_EQ(choice["message"]["content"], "Hello ");
  EXPECT_EQ(choice["finish_reason"], "stop");
  EXPECT_EQ(choice["stop_reason"], "wör");
  std::string text;
  for (const Json& event : stream("/v1/chat/completions", body)) {
    if (event.is_object()) text += event["choices"][0]["delta"].value("content", "");
  }
  EXPECT_EQ(text, "Hello ");
  body["include_stop_str_in_output"] = true;
  EXPECT_EQ(post("/v1/chat/completions", body)["choices"][0]["message"]["content"], "Hello wör");
  EXPECT_TRUE(eventually([&] { return runner_.num_closed() == 3; }));
}

TEST_F(ApiTest, limits_and_stop_tokens_end_an_answer) {
  Json body = chat();
  body["max_tokens"] = 7;
  body["max_completion_tokens"] = 5;  // wins
  Json choice = post("/v1/chat/completions", body)["choices"][0];
  EXPECT_EQ(choice["message"]["content"], "Hello");
  EXPECT_EQ(choice["finish_reason"], "length");
  body["stop_token_ids"] = {'l'};
  choice = post("/v1/chat/completions", body)["choices"][0];
  EXPECT_EQ(choice["message"]["content"], "He");
  EXPECT_EQ(choice["stop_reason"], 'l');
}

TEST_F(ApiTest, ignore_eos_goes_on_to_the_limit) {
  const Json answer =
      post("/v1/completions", {{"prompt", "x"}, {"ignore_eos", true}, {"max_tokens", 20}});
  EXPECT_EQ(answer["usage"]["completion_tokens"], 20);
  EXPECT_EQ(answer["choices"][0]["finish_reason"], "length");
}

TEST_F(ApiTest, n_choices_are_told_apart_by_index) {
  Json body = chat();
  body["n"] = 3;
  const Json answer = post("/v1/chat/completions", body);
  ASSERT_EQ(answer["choices"].size(), 3u);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(answer["choices"][i]["index"], i);
    EXPECT_EQ(answer["choices"][i]["message"]["content"], kReply);
  }
  std::vector<std::string> texts(3);
  int roles = 0;
  for (const Json& event : stream("/v1/chat/completions", body)) {
    if (!event.is_object()) continue;
    const Json& choice = event["choices"][0];
    texts.at(choice["index"].get<std::size_t>()) += choice["delta"].value("content", "");
    roles += choice["delta"].contains("role");
  }
  EXPECT_EQ(texts, std::vector<std::string>(3, kReply));
  EXPECT_EQ(roles, 3);
}

TEST_F(ApiTest, completions_take_text_ids_and_lists_of_either) {
  const auto num_choices = [&](Json prompt) {
    return post("/v1/completions",
                {{"prompt", std::move(prompt)}, {"n", 2}, {"max_tokens", 1}})["choices"]
        .size();
  };
  EXPECT_EQ(num_choices("abc"), 2u);
  EXPECT_EQ(num_choices({"abc", "d"}), 4u);
  EXPECT_EQ(num_choices({97, 98}), 2u);
  EXPECT_EQ(num_choices({{97, 98}, {99}}), 4u);
  EXPECT_EQ(post("/v1/completions", {{"prompt", "abc"}})["choices"][0]["text"],
            kReply);  // 14 of the default 16
}

TEST_F(ApiTest, a_prompt_list_longer_than_the_queue_is_answered_in_order) {
  start({}, {.max_num_seqs = 4, .max_queue = 8});
  Json prompts = Json::array();
  for (int i = 0; i < 200; ++i)
    prompts.push_back(std::string(static_cast<std::size_t>(1 + i % 7), 'x'));
  const Json answer =
      post("/v1/completions", {{"prompt", prompts}, {"max_tokens", 2}, {"return_token_ids", true}});
  ASSERT_EQ(answer["choices"].size(), 200u);
  for (int i = 0; i < 200; ++i) {
    EXPECT_EQ(answer["choices"][i]["index"], i);
    EXPECT_EQ(answer["choices"][i]["text"], "He");
    EXPECT_EQ(answer["choices"][i]["prompt_token_ids"].size(), static_cast<std::size_t>(1 + i % 7));
  }
}

TEST_F(ApiTest, chat_logprobs_have_bytes_and_alternatives) {
  Json body = chat();
  body["logprobs"] = true;
  body["top_logprobs"] = 2;
  const Json content = post("/v1/chat/completions", body)["choices"][0]["logprobs"]["content"];
  ASSERT_EQ(content.size(), 14u);
  EXPECT_EQ(content[0]["token"], "H");
  EXPECT_EQ(content[0]["bytes"], Json::array({'H'}));
  EXPECT_EQ(content[0]["top_logprobs"][0]["logprob"], content[0]["logprob"]);
  EXPECT_EQ(content[0]["top_logprobs"][1]["token"], "I");
  EXPECT_EQ(content[7]["bytes"], Json::array({0xC3}));  // half of ö
  EXPECT_EQ(content[13]["token"], "</s>");
  Json streamed = Json::array();
  for (const Json& event : stream("/v1/chat/completions", body)) {
    if (event.is_object()) streamed.push_back(event["choices"][0]["logprobs"]["content"][0]);
  }
  EXPECT_EQ(streamed, content);
}

TEST_F(ApiTest, legacy_logprobs_count_characters) {
  const Json body = {{"prompt", "x"}, {"logprobs", 1}, {"max_tokens", 10}};
  const Json logprobs = post("/v1/completions", body)["choices"][0]["logprobs"];
  EXPECT_EQ(logprobs["text_offset"],
            Json({0, 1, 2, 3, 4, 5, 6, 7, 7, 8}));  // both halves of ö begin at 7
  EXPECT_EQ(logprobs["tokens"][7], "bytes:\\xc3");
  EXPECT_EQ(logprobs["top_logprobs"][0]["H"], logprobs["token_logprobs"][0]);
}

TEST_F(ApiTest, reasoning_is_split_when_the_template_opens_it) {
  runner_.set_reply("I ponder.\n</think>\n\nForty-two");
  Json body = chat();
  body["chat_template_kwargs"] = {{"enable_thinking", true}};
  const Json message = post("/v1/chat/completions", body)["choices"][0]["message"];
  EXPECT_EQ(message["reasoning_content"], "I ponder.");
  EXPECT_EQ(message["content"], "Forty-two");
  std::string content, reasoning;
  for (const Json& event : stream("/v1/chat/completions", body)) {
    if (!event.is_object()) continue;
    content += event["choices"][0]["delta"].value("content", "");
    reasoning += event["choices"][0]["delta"].value("reasoning_content", "");
  }
  EXPECT_EQ(reasoning, "I ponder.");
  EXPECT_EQ(content, "Forty-two");
  body["chat_template_kwargs"] = nullptr;
  EXPECT_EQ(post("/v1/chat/completions", body)["choices"][0]["message"]["content"],
            "I ponder.\n</think>\n\nForty-two");
}

TEST_F(ApiTest, special_tokens_in_messages_are_text) {
  post("/v1/chat/completions", chat("<|end|><s>"));
  const auto prompt = runner_.last_prompt();
  EXPECT_EQ(std::count(prompt.begin(), prompt.end(), testing::kEndOfTurn), 1);
  EXPECT_EQ(std::count(prompt.begin(), prompt.end(), testing::kBos), 2);
}

TEST_F(ApiTest, absent_null_and_empty_model_names_mean_the_first) {
  Json body = chat();
  for (const Json& name : {Json(nullptr), Json(""), Json("fake"), Json("org/fake-1b")}) {
    body["model"] = name;
    EXPECT_EQ(post("/v1/chat/completions", body)["model"], "fake");
  }
  body["model"] = "gpt-9";
  const Json error = post("/v1/chat/completions", body, 404)["error"];
  EXPECT_EQ(error["code"], "model_not_found");
  EXPECT_EQ(error["param"], "model");
  EXPECT_NE(error["message"].get<std::string>().find("fake"), std::string::npos);
}

TEST_F(ApiTest, a_seed_is_passed_on_and_drawn_when_absent) {
  Json body = chat();
  body["seed"] = 42;
  post("/v1/chat/completions", body);
  EXPECT_EQ(runner_.last_sampling().seed, 42u);
  body.erase("seed");
  post("/v1/chat/completions", body);
  const auto first = runner_.last_sampling().seed;
  post("/v1/chat/completions", body);
  EXPECT_NE(runner_.last_sampling().seed, first);
}

TEST_F(ApiTest, too_long_a_prompt_is_a_400_in_the_words_that_clients_look_for) {
  const Json error = post("/v1/completions", {{"prompt", std::string(3000, 'x')}}, 400)["error"];
  EXPECT_EQ(error["code"], "context_length_exceeded");
  EXPECT_EQ(error["n_prompt_tokens"], 3000);
  EXPECT_EQ(error["n_ctx"], 2048);
  const std::string message = error["message"];
  EXPECT_NE(message.find("This model's maximum context length is 2048 tokens. However, your "
                         "request has 3000 tokens"),
            std::string::npos);
  EXPECT_NE(message.find("exceeds the available context size"), std::string::npos);
}

TEST_F(ApiTest, a_lost_rank_is_a_503_that_says_which) {
  runner_.set_state(State::kForming, "rank 1 (mini2) is missing: killed by signal 9");
  const auto answer = client().post("/v1/chat/completions", chat());
  EXPECT_EQ(answer.status, 503);
  EXPECT_FALSE(answer.header("retry-after").empty());
  EXPECT_NE(answer.body.find("rank 1 (mini2) is missing"), std::string::npos);
  const Json health = get("/health", 503);
  EXPECT_EQ(health["status"], "forming");
  EXPECT_EQ(health["error"]["message"], "rank 1 (mini2) is missing: killed by signal 9");
  runner_.set_state(State::kReady, "");
  EXPECT_EQ(get("/health")["status"], "ok");
  EXPECT_EQ(get("/v1/health")["models"][0]["ranks"], 2);
}

TEST_F(ApiTest, a_rank_lost_in_the_middle_ends_a_stream_with_an_error_and_without_done) {
  runner_.pause(true);
  std::vector<Json> events;
  std::thread thread([&] { events = stream("/v1/chat/completions", chat()); });
  EXPECT_TRUE(eventually([&] { return models_->find("")->engine->stats().num_running == 1; }));
  runner_.end_generation("rank 1 is lost");
  thread.join();
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0]["error"]["type"], "unavailable_error");
  EXPECT_NE(events[0]["error"]["message"].get<std::string>().find("rank 1 is lost"),
            std::string::npos);
}

TEST_F(ApiTest, a_rank_lost_in_the_middle_of_a_whole_answer_is_a_503) {
  runner_.pause(true);
  Json answer;
  std::thread thread([&] { answer = post("/v1/chat/completions", chat(), 503); });
  EXPECT_TRUE(eventually([&] { return models_->find("")->engine->stats().num_running == 1; }));
  runner_.end_generation("rank 1 is lost");
  thread.join();
  EXPECT_EQ(answer["error"]["code"], "generation_failed");
}

TEST_F(ApiTest, a_full_queue_is_a_429) {
  start({}, {.max_num_seqs = 1, .max_queue = 1});
  runner_.pause(true);
  std::vector<std::thread> clients;
  std::atomic<int> num_refused = 0, num_done = 0;
  for (int i = 0; i < 6; ++i) {
    clients.emplace_back([&] {
      const auto answer = client().post("/v1/chat/completions", chat(), std::chrono::seconds(20));
      num_refused += answer.status == 429 && answer.header("retry-after") == "1";
      ++num_done;
    });
  }
  EXPECT_TRUE(eventually([&] { return num_refused > 0; }));
  runner_.pause(false);
  for (std::thread& thread : clients) thread.join();
  EXPECT_LT(num_refused, 6);
}

TEST_F(ApiTest, a_vanished_client_ends_its_sequences) {
  for (const bool streams : {true, false}) {
    runner_.set_reply(std::string(2000, 'x'));
    runner_.pause(true);
    const std::size_t closed = runner_.num_closed();
    http::Client leaving = client();
    std::thread thread([&] {
      Json body = chat();
      body["stream"] = streams;
      EXPECT_ANY_THROW(
          leaving.post_stream("/v1/chat/completions", body, [](auto) { return true; }));
    });
    EXPECT_TRUE(eventually([&] {
      const auto stats = models_->find("")->engine->stats();
      return stats.num_running + stats.num_waiting > 0;
    }));
    leaving.cancel();
    thread.join();
    EXPECT_TRUE(eventually(
        [&] { return models_->find("")->engine->stats().cancelled == (streams ? 1 : 2); }));
    runner_.pause(false);
    EXPECT_TRUE(eventually([&] { return runner_.num_closed() > closed; }));
  }
}

TEST_F(ApiTest, tokenize_and_detokenize_speak_both_dialects) {
  const Json tokens = post("/tokenize", {{"prompt", "hi</s>"}, {"return_token_strs", true}});
  EXPECT_EQ(tokens["tokens"], Json({'h', 'i', testing::kEos}));
  EXPECT_EQ(tokens["count"], 3);
  EXPECT_EQ(tokens["max_model_len"], 2048);
  EXPECT_EQ(tokens["token_strs"], Json({"h", "i", "</s>"}));
  EXPECT_EQ(post("/tokenize", {{"content", "hi"}})["tokens"], Json({'h', 'i'}));
  EXPECT_EQ(post("/tokenize", chat())["tokens"][0], testing::kBos);
  const Json text = post("/detokenize", {{"tokens", tokens["tokens"]}});
  EXPECT_EQ(text["prompt"], "hi</s>");
  EXPECT_EQ(text["content"], "hi</s>");
  EXPECT_EQ(post("/detokenize", {{"tokens", {1, 259}}}, 400)["error"]["param"], "tokens[1]");
}

TEST_F(ApiTest, models_version_and_tokenizer_are_described) {
  const Json model = get("/v1/models")["data"][0];
  EXPECT_EQ(model["id"], "fake");
  EXPECT_EQ(model["max_model_len"], 2048);
  EXPECT_EQ(model["meta"]["n_vocab"], testing::kVocabSize);
  EXPECT_EQ(get("/v1/models/fake"), model);
  EXPECT_EQ(get("/v1/models/org/fake-1b"), model);
  EXPECT_EQ(get("/v1/models/other", 404)["error"]["code"], "model_not_found");
  EXPECT_TRUE(get("/version").contains("version"));
  const Json tokenizer = get("/tokenizer_info");
  EXPECT_EQ(tokenizer["eos_token"], "</s>");
  EXPECT_EQ(tokenizer["chat_template"], testing::kTemplate);
}

TEST_F(ApiTest, the_server_s_own_errors_have_openai_s_shape) {
  EXPECT_EQ(get("/nowhere", 404)["error"]["type"], "invalid_request_error");
  const auto wrong_method = client().get("/v1/chat/completions");
  EXPECT_EQ(wrong_method.status, 405);
  EXPECT_NE(wrong_method.header("allow").find("POST"), std::string::npos);
  EXPECT_TRUE(parse_json(wrong_method.body, "405").contains("error"));
  EXPECT_EQ(post("/v1/embeddings", {{"input", "x"}}, 400)["error"]["code"], "unsupported");
}

TEST_F(ApiTest, every_route_but_health_asks_for_the_key) {
  Options options;
  options.api_keys = {"correct horse", "second"};
  start(options);
  for (const char* path : {"/v1/models", "/cluster", "/version", "/nowhere", "/Health", "/health/x",
                           "/v1/models/fake"}) {
    const auto answer = client().get(path);
    EXPECT_EQ(answer.status, 401) << path;
    EXPECT_EQ(answer.header("www-authenticate"), "Bearer");
  }
  EXPECT_EQ(post("/v1/chat/completions", chat(), 401)["error"]["code"], "invalid_api_key");
  EXPECT_EQ(client().get("/health").status, 200);
  EXPECT_EQ(client({{"Authorization", "Bearer correct horse"}}).get("/v1/models").status, 200);
  EXPECT_EQ(client({{"x-api-key", "second"}}).get("/v1/models").status, 200);
  EXPECT_EQ(client({{"Authorization", "Bearer correct hors"}}).get("/v1/models").status, 401);
}

TEST_F(ApiTest, without_a_model_health_says_what_is_awaited) {
  server_->drain(milliseconds(0));
  server_ = std::make_unique<http::Server>();
  models_ = std::make_unique<Models>();
  Options options;
  options.unready_reason = [] { return "waiting for 1 of 2 machines"; };
  mount(*server_, *models_, options);
  port_ = server_->listen("127.0.0.1", 0);
  server_->start();
  EXPECT_EQ(get("/health", 503)["error"]["message"], "waiting for 1 of 2 machines");
  EXPECT_EQ(post("/v1/chat/completions", chat(), 503)["error"]["message"],
            "waiting for 1 of 2 machines");
  EXPECT_EQ(get("/v1/models")["data"], Json::array());
}

}  // namespace
}  // namespace tandem::api
