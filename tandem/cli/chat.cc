// `tandem chat`: talks to a running server in the terminal; Ctrl-C stops the answer, a second one at the prompt ends.
#include <CLI/CLI.hpp>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <iostream>
#include <memory>
#include <string>

#include "tandem/base/error.h"
#include "tandem/base/json.h"
#include "tandem/base/strings.h"
#include "tandem/cli/exit_codes.h"
#include "tandem/cli/server_url.h"
#include "tandem/cli/verbs.h"

namespace tandem::cli {
namespace {

struct ChatOptions {
  ServerOptions server;
  std::string model, system, question;
  double temperature = -1;
  int max_tokens = 0;
};

// What the signal handler may touch. A handler has no other way to its data than a global.
std::atomic<http::Client*> answering{nullptr};
volatile std::sig_atomic_t interrupted = 0;

void on_interrupt(int) {
  interrupted = 1;
  if (http::Client* client = answering.load()) client->cancel();
}

// While it lives, Ctrl-C cancels the client's request instead of ending the program.
class InterruptCancels {
 public:
  explicit InterruptCancels(http::Client& client) {
    interrupted = 0;
    answering = &client;
    struct sigaction action {};
    action.sa_handler = on_interrupt;   // without SA_RESTART: a read at the prompt returns as well
    sigaction(SIGINT, &action, &before_);
  }
  ~InterruptCancels() {
    sigaction(SIGINT, &before_, nullptr);
    answering = nullptr;
  }

 private:
  struct sigaction before_ {};
};

class Conversation {
 public:
  explicit Conversation(const ChatOptions& options) : options_(options), client_(make_client(options.server)) { clear(); }

  void clear() {
    messages_ = Json::array();
    if (!options_.system.empty()) messages_.push_back({{"role", "system"}, {"content", options_.system}});
  }

  // Prints the answer as it comes; false when it was stopped by Ctrl-C.
  bool ask(const std::string& question) {
    messages_.push_back({{"role", "user"}, {"content", question}});
    std::string answer;
    bool finished = false;
    {
      const InterruptCancels guard(client_);
      try {
        stream(answer);
        finished = true;
      } catch (const Error& e) {
        if (e.code() != Code::kCancelled) {
          messages_.erase(messages_.size() - 1);
          throw;
        }
      }
    }
    std::printf("%s\n", finished ? "" : " [stopped]");
    messages_.push_back({{"role", "assistant"}, {"content", answer}});
    return finished;
  }

 private:
  void stream(std::string& answer) {
    Json body = {{"messages", messages_}, {"stream", true}};
    if (!options_.model.empty()) body["model"] = options_.model;
    if (options_.temperature >= 0) body["temperature"] = options_.temperature;
    if (options_.max_tokens > 0) body["max_tokens"] = options_.max_tokens;
    std::string failure;
    const auto reply = client_.post_stream("/v1/chat/completions", body, [&](std::string_view data) {
      if (data == "[DONE]") return false;
      const Json chunk = parse_json(data, "the server's stream");
      if (chunk.contains("error")) {
        failure = chunk["error"].value("message", "unknown error");
        return false;
      }
      print(chunk, answer);
      return true;
    });
    if (reply.status != 200) failure = error_of(reply);
    if (!failure.empty()) throw Error(reply.status == 503 ? Code::kUnavailable : Code::kInternal, failure);
  }

  static void print(const Json& chunk, std::string& answer) {
    const Json choices = chunk.value("choices", Json::array());
    if (choices.empty()) return;
    const Json delta = choices[0].value("delta", Json::object());
    const auto content = delta.find("content");
    if (content == delta.end() || !content->is_string()) return;
    const std::string text = content->get<std::string>();
    answer += text;
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
  }

  static std::string error_of(const http::Client::Answer& reply) {
    try {
      return parse_json(reply.body, "the server's error").at("error").value("message", reply.body);
    } catch (const std::exception&) {
      return format("the server answers %d: %s", reply.status, reply.body.c_str());
    }
  }

  const ChatOptions& options_;
  http::Client client_;
  Json messages_;
};

// A line, or several between lines of """; false at the end of input.
bool read_message(std::string& message) {
  if (!std::getline(std::cin, message)) return false;
  if (trim(message) != "\"\"\"") return true;
  message.clear();
  for (std::string line; std::getline(std::cin, line) && trim(line) != "\"\"\"";) message += line + "\n";
  return true;
}

int converse(Conversation& conversation) {
  std::printf("/clear begins anew, /exit ends, \"\"\" begins and ends several lines, Ctrl-C stops an answer.\n");
  std::string message;
  while (true) {
    std::printf("> ");
    std::fflush(stdout);
    if (!read_message(message) || trim(message) == "/exit") return kOk;
    if (trim(message) == "/clear") {
      conversation.clear();
    } else if (!trim(message).empty()) {
      try {
        conversation.ask(message);
      } catch (const Error& e) {
        std::fprintf(stderr, "%s\n", e.what());
      }
    }
  }
}

int chat(const ChatOptions& options) {
  Conversation conversation(options);
  if (!options.question.empty()) return conversation.ask(options.question) ? kOk : kInterrupted;
  return converse(conversation);
}

}  // namespace

Verb add_chat(CLI::App& app) {
  CLI::App* verb = app.add_subcommand("chat", "talk to a running server in the terminal");
  const auto options = std::make_shared<ChatOptions>();
  verb->add_option("model", options->model, "the model to ask for (default: the server's first)");
  add_server_options(*verb, options->server);
  verb->add_option("-q,--question", options->question, "ask one question, print the answer, end");
  verb->add_option("--system", options->system, "a system message");
  verb->add_option("--temperature", options->temperature, "sampling temperature")->check(CLI::Range(0.0, 2.0));
  verb->add_option("--max-tokens", options->max_tokens, "the longest answer")->check(CLI::PositiveNumber);
  return [options] { return chat(*options); };
}

}  // namespace tandem::cli
