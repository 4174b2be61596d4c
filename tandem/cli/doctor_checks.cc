#include "tandem/cli/doctor_checks.h"

#include <algorithm>
#include <utility>

#include "tandem/base/strings.h"

namespace tandem::cli {
namespace {

// A decode step of two ranks crosses the network twice; above this, the hops cost more than small models' layers.
constexpr double kSlowRoundTripMs = 5;
// Below this, fetching a slice of several gigabytes takes minutes: less than half of a 1 Gbit/s cable.
constexpr double kSlowRateMbS = 50;
constexpr std::uint64_t kGiB = 1ull << 30;

std::string_view name_of(Check::Result result) {
  switch (result) {
    case Check::Result::kPass: return "PASS";
    case Check::Result::kWarn: return "WARN";
    case Check::Result::kFail: return "FAIL";
  }
  return "FAIL";
}

// The smallest time that `percent` of the sorted times do not exceed.
double percentile(const std::vector<double>& sorted, std::size_t percent) {
  const std::size_t rank = (sorted.size() * percent + 99) / 100;
  return sorted[std::clamp<std::size_t>(rank, 1, sorted.size()) - 1];
}

bool is_wireless(const std::string& interface) { return interface.starts_with("wl"); }

}  // namespace

Check passed(std::string name, std::string detail) { return {std::move(name), Check::Result::kPass, std::move(detail), ""}; }
Check warned(std::string name, std::string detail, std::string fix) {
  return {std::move(name), Check::Result::kWarn, std::move(detail), std::move(fix)};
}
Check failed(std::string name, std::string detail, std::string fix) {
  return {std::move(name), Check::Result::kFail, std::move(detail), std::move(fix)};
}

Check check_versions(const link::Identity& ours, const std::string& stage_output) {
  const std::string wanted = "tandem-stage " + ours.tandem_version + ", torch " + ours.torch_version;
  const std::string found(trim(stage_output));
  if (found == wanted || found.starts_with(wanted + ",")) {
    return passed("versions", format("tandem %s, link protocol %d, torch %s, %s %s", ours.tandem_version.c_str(),
                                     link::kProtocolVersion, ours.torch_version.c_str(), ours.os.c_str(), ours.arch.c_str()));
  }
  return failed("versions", "tandem is " + ours.tandem_version + " for torch " + ours.torch_version + ", and tandem-stage says \"" + found + "\"",
                "take both programs from one build: `make build`, or unpack one archive");
}

Check check_memory(std::uint64_t budget_bytes, const cluster::SystemFacts& facts, int num_threads) {
  const std::string detail = format("%s for tandem of %s, %d threads, %s", format_bytes(budget_bytes).c_str(),
                                    format_bytes(facts.memory_total_bytes).c_str(), num_threads, facts.cpu.c_str());
  const std::string fix = "end other programs, raise the container's limit, or give --memory, such as --memory 80%";
  if (budget_bytes < kGiB / 10) return failed("memory", detail, fix);
  return budget_bytes < kGiB ? warned("memory", detail, fix) : passed("memory", detail);
}

Check check_addresses(const std::vector<link::InterfaceAddress>& addresses) {
  std::vector<std::string> parts;
  bool has_network = false;
  for (const link::InterfaceAddress& entry : addresses) {
    parts.push_back(entry.address + " (" + entry.interface + ")");
    has_network = has_network || !link::is_loopback(entry.address);
  }
  const std::string detail = parts.empty() ? "none" : join(parts, ", ");
  if (has_network) return passed("addresses", detail);
  return warned("addresses", detail + ": no other machine can reach this one", "connect the cable or the network, and check that its interface has an address");
}

Check check_cache(const std::string& folder, bool is_writable, std::uint64_t free_bytes) {
  if (!is_writable) {
    return failed("cache", folder + " cannot be written, so no weights can be kept there",
                  "sudo chown -R \"$USER\" '" + folder + "', or set XDG_CACHE_HOME to a folder of yours");
  }
  const std::string detail = folder + ", " + format_bytes(free_bytes) + " free";
  if (free_bytes >= 2 * kGiB) return passed("cache", detail);
  return warned("cache", detail, "free disk space there, or set XDG_CACHE_HOME to a larger disk: the slice of a model must fit");
}

std::vector<Check> check_failed_connect(const Error& error, const std::string& host, std::uint16_t port) {
  const Check reached = passed("link port", host + " port " + std::to_string(port) + " is a tandem head");
  switch (error.code()) {
    case Code::kUnauthenticated:
      return {reached, failed("secret", error.what(), "run `tandem secret` on " + host + ", then here: TANDEM_SECRET=… tandem join " + host +
                                                          ", or remove the old file and let join ask")};
    case Code::kMismatch: return {reached, failed("versions", error.what(), "install the same release of tandem on both machines")};
    default:
      return {failed("link port", error.what(),
                     "start `tandem serve MODEL --nodes 2` on " + host + " and let TCP port " + std::to_string(port) + " through its firewall")};
  }
}

Check check_match(const link::Identity& ours, const link::Identity& head) {
  const std::string difference = link::mismatch(ours, head, /*both_have_ranks=*/true);
  if (!difference.empty()) return failed("versions", difference, "see the sentence: both machines need the same, or other machines");
  return passed("versions", head.name + " has tandem " + head.tandem_version + ", torch " + head.torch_version + ", " + head.os + " " +
                                head.arch + ", as this machine has what must be equal");
}

Check check_route(const std::string& local_address, const std::string& interface, const std::string& head_address) {
  const std::string detail = local_address + (interface.empty() ? "" : " (" + interface + ")") + " to " + head_address;
  if (!is_wireless(interface)) return passed("route", detail);
  return warned("route", detail + ": a wireless interface", "connect a cable and join by the address on it, or choose one with --address");
}

Check check_round_trip(const std::vector<double>& times_ms) {
  const double median_ms = percentile(times_ms, 50);
  const std::string detail = format("p50 %.2f ms, p99 %.2f ms over %zu echoes", median_ms, percentile(times_ms, 99), times_ms.size());
  if (median_ms <= kSlowRoundTripMs) return passed("round trip", detail);
  return warned("round trip", detail + ": every token waits for it", "use a cable instead of Wi-Fi or a VPN between the machines");
}

Check check_rate(const std::string& direction, double mb_s) {
  const std::string detail = format("%.0f MB/s %s", mb_s, direction.c_str());
  if (mb_s >= kSlowRateMbS) return passed("throughput", detail);
  return warned("throughput", detail + ": weights and long prompts travel slowly", "use a Thunderbolt or an Ethernet cable of 1 Gbit/s or more");
}

Check check_meeting(const std::string& who, const std::string& whom, const cluster::DoctorVisit::Meeting& meeting) {
  const std::string place = who + " to " + whom + ", " + meeting.address + (meeting.port == 0 ? "" : " port " + std::to_string(meeting.port));
  if (meeting.failure.empty()) return passed("data port", place);
  return failed("data port", place + ": " + meeting.failure,
                "let TCP from " + who + " to every port of " + whom + " through " + whom + "'s firewall: ranks meet on a new port each time");
}

std::string to_text(const Check& check) {
  std::string text = format("%s  %-11s %s\n", std::string(name_of(check.result)).c_str(), check.name.c_str(), check.detail.c_str());
  if (!check.fix.empty()) text += "      fix:        " + check.fix + "\n";
  return text;
}

Json to_json(const std::vector<Check>& checks) {
  Json list = Json::array();
  for (const Check& check : checks) {
    list.push_back({{"name", check.name}, {"result", name_of(check.result)}, {"detail", check.detail}, {"fix", check.fix}});
  }
  return {{"ok", !has_failure(checks)}, {"checks", std::move(list)}};
}

bool has_failure(const std::vector<Check>& checks) {
  return std::any_of(checks.begin(), checks.end(), [](const Check& check) { return check.result == Check::Result::kFail; });
}

}  // namespace tandem::cli
