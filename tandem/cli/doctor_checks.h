// What `tandem doctor` concludes from what it saw: one line a check, with the exact fix. Pure; doctor.cc looks and measures.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tandem/base/error.h"
#include "tandem/base/json.h"
#include "tandem/cluster/doctor_visit.h"
#include "tandem/cluster/machine.h"
#include "tandem/link/addresses.h"
#include "tandem/link/link.h"

namespace tandem::cli {

struct Check {
  enum class Result { kPass, kWarn, kFail };
  std::string name;     ///< "secret"
  Result result = Result::kPass;
  std::string detail;   ///< what was found
  std::string fix;      ///< what to do; "" when there is nothing to do
};

Check passed(std::string name, std::string detail);
Check warned(std::string name, std::string detail, std::string fix);
Check failed(std::string name, std::string detail, std::string fix);

/// `stage_output`: what `tandem-stage --version` printed.
Check check_versions(const link::Identity& ours, const std::string& stage_output);
/// Fails below a tenth of a GiB, warns below one.
Check check_memory(std::uint64_t budget_bytes, const cluster::SystemFacts& facts, int num_threads);
/// Warns when no other machine can reach this one.
Check check_addresses(const std::vector<link::InterfaceAddress>& addresses);
/// `free_bytes` of the disk under the cache folder.
Check check_cache(const std::string& folder, bool is_writable, std::uint64_t free_bytes);

/// What a failed link::connect means: which checks passed before it, which one failed, and what to do.
std::vector<Check> check_failed_connect(const Error& error, const std::string& host, std::uint16_t port);
/// Versions and systems of two machines with ranks.
Check check_match(const link::Identity& ours, const link::Identity& head);
Check check_route(const std::string& local_address, const std::string& interface, const std::string& head_address);
/// `times_ms` ascending, not empty.
Check check_round_trip(const std::vector<double>& times_ms);
/// `direction`: "to mini1", "from mini1".
Check check_rate(const std::string& direction, double mb_s);
/// `who` connects to `whom`, by name.
Check check_meeting(const std::string& who, const std::string& whom, const cluster::DoctorVisit::Meeting& meeting);

/// "PASS  secret       …" with the fix on a line of its own.
std::string to_text(const Check& check);
/// {"ok": …, "checks": [{"name", "result", "detail", "fix"}]}
Json to_json(const std::vector<Check>& checks);
bool has_failure(const std::vector<Check>& checks);

}  // namespace tandem::cli
