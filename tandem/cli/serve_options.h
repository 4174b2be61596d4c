// The flags of `tandem serve` and what they mean, checked before anything starts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tandem/cli/machine_options.h"

namespace tandem::cli {

struct ServeOptions {
  MachineOptions machine;
  std::string model;                     ///< folder, org/name or demo
  std::string host;                      ///< "": 127.0.0.1 and ::1
  std::uint16_t port = 8100;
  std::uint16_t link_port = link::kDefaultPort;
  int local = 0;                         ///< --local N; 0: one stage here
  std::string nodes;                     ///< "N" or "N..M"
  bool no_local_rank = false;
  std::string split;                     ///< "12,20"
  std::string dtype = "auto", kv_dtype = "auto", ops = "auto", kernels = "auto";
  std::string max_model_len;             ///< "32k"
  int max_num_seqs = 64, max_queue = 256;
  std::vector<std::string> api_keys;
  std::string api_key_file;
  bool no_auth = false;
  std::vector<std::string> served_model_names;
  std::string chat_template;             ///< FILE, NAME or "none"
  std::string reasoning_field = "reasoning_content";
  int drain_s = 30;
};

void add_serve_options(CLI::App& verb, ServeOptions& options);

struct NodeCount { int min = 1, max = 1; };
/// "2" or "2..4"; "" is one. Throws Error{kInvalidArgument}.
NodeCount parse_nodes(const std::string& text);
/// "12,20"; "" is automatic.
std::vector<std::int32_t> parse_split(const std::string& text);
/// Tokens: "4096", "32k" (32,000), "32K" (32,768).
std::int32_t parse_model_len(const std::string& text);
/// From --api-key, --api-key-file (a key a line) and TANDEM_API_KEY. Throws Error{kInvalidArgument} when --host leaves the
/// loopback without a key and without --no-auth.
std::vector<std::string> collect_api_keys(const ServeOptions& options);
bool is_loopback_host(const std::string& host);

}  // namespace tandem::cli
