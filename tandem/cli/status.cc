// `tandem status`: what GET /cluster says, as a table for people.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <thread>

#include "tandem/base/error.h"
#include "tandem/base/json.h"
#include "tandem/base/strings.h"
#include "tandem/cli/exit_codes.h"
#include "tandem/cli/server_url.h"
#include "tandem/cli/verbs.h"

namespace tandem::cli {
namespace {

std::string text_of(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}

double number_of(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_number() ? it->get<double>() : 0;
}

std::string layers_of(const Json& rank) {
  std::string layers = format("%.0f-%.0f", number_of(rank, "first_layer"), number_of(rank, "end_layer") - 1);
  if (rank.value("embedding", false)) layers = "emb," + layers;
  if (rank.value("head", false)) layers += ",head";
  return layers;
}

std::string round_trip_of(const Json& object) {
  const auto it = object.find("round_trip_ms");
  return it != object.end() && it->is_number() ? format("%.2f ms", it->get<double>()) : "-";
}

std::string progress_of(const Json& rank) {
  const double total = number_of(rank, "total_bytes"), done = number_of(rank, "loaded_bytes");
  if (total <= 0 || done >= total || text_of(rank, "state") == "ready") return text_of(rank, "state");
  return format("%s %.0f %%", text_of(rank, "state").c_str(), 100 * done / total);
}

void print_rank(const Json& rank) {
  const std::string place = text_of(rank, "address") + (text_of(rank, "interface").empty() ? "" : " " + text_of(rank, "interface"));
  std::printf("%4.0f  %-14s  %-22s  %-5s  %-16s  %10s  %9s  %s\n", number_of(rank, "rank"), text_of(rank, "machine").c_str(),
              place.c_str(), text_of(rank, "device").c_str(), layers_of(rank).c_str(),
              format_bytes(static_cast<std::uint64_t>(number_of(rank, "weight_bytes"))).c_str(), round_trip_of(rank).c_str(),
              progress_of(rank).c_str());
  if (!text_of(rank, "last_error").empty()) std::printf("      last error: %s\n", text_of(rank, "last_error").c_str());
}

void print_timing(const Json& rank) {
  const double steps = number_of(rank, "steps");
  std::printf("rank %.0f (%s): %.0f steps, %.0f tokens, compute %.3f s, wait %.3f s, wire %.3f s\n", number_of(rank, "rank"),
              text_of(rank, "machine").c_str(), steps, number_of(rank, "tokens"), number_of(rank, "compute_s"),
              number_of(rank, "wait_s"), number_of(rank, "wire_s"));
}

Json get_status(http::Client& client) {
  const auto answer = client.get("/cluster", std::chrono::seconds(5));
  if (answer.status != 200) {
    throw Error(Code::kUnavailable, format("the server answers %d: %s", answer.status, answer.body.c_str()));
  }
  Json status = parse_json(answer.body, "GET /cluster");
  if (!status.contains("ranks") || !status["ranks"].is_array()) throw Error(Code::kCorrupt, "GET /cluster: no list of ranks; is this tandem?");
  return status;
}

// Counters come with heartbeats, twice a second: waits until each rank has sent one that began after the first look.
void print_fresh_timing(http::Client& client, const Json& first) {
  Json status = first;
  const auto is_fresh = [&] {
    const Json &before = first["ranks"], &now = status["ranks"];
    if (before.size() != now.size()) return true;
    for (std::size_t i = 0; i < now.size(); ++i) {
      if (number_of(now[i], "beats") < number_of(before[i], "beats") + 2) return false;
    }
    return true;
  };
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(3);
  while (!is_fresh() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    status = get_status(client);
  }
  for (const Json& rank : status["ranks"]) print_timing(rank);
}

void print_status(const Json& status) {
  std::printf("%s: %s, generation %.0f", text_of(status, "model").c_str(), text_of(status, "state").c_str(), number_of(status, "generation"));
  if (number_of(status, "kv_tokens") > 0) {
    std::printf(", %.0f tokens of KV, context %.0f", number_of(status, "kv_tokens"), number_of(status, "max_model_len"));
  }
  std::printf("\n");
  if (!text_of(status, "reason").empty()) std::printf("%s\n", text_of(status, "reason").c_str());
  if (status["ranks"].empty()) return;
  std::printf("rank  machine         address                 dev    layers               weights        RTT  state\n");
  for (const Json& rank : status["ranks"]) print_rank(rank);
}

}  // namespace

Verb add_status(CLI::App& app) {
  CLI::App* verb = app.add_subcommand("status", "show ranks, machines and state of a running server; exit 0 only if it is ready");
  struct Options {
    ServerOptions server;
    bool json = false, timing = false;
  };
  const auto options = std::make_shared<Options>();
  add_server_options(*verb, options->server);
  verb->add_flag("--json", options->json, "print GET /cluster as it is");
  verb->add_flag("--timing", options->timing, "print a line of timing for each rank");
  return [options] {
    http::Client client = make_client(options->server);
    const Json status = get_status(client);
    if (options->json) {
      std::printf("%s\n", status.dump(2).c_str());
    } else if (options->timing) {
      print_fresh_timing(client, status);
    } else {
      print_status(status);
    }
    return text_of(status, "state") == "ready" ? kOk : kClusterTrouble;
  };
}

}  // namespace tandem::cli
