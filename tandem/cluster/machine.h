// What a machine can give to a cluster: cores, memory, read bandwidth. Called by agents before they join, and by doctor.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace tandem::cluster {

/// What the system reports, within this process's affinity and container.
struct SystemFacts {
  std::string name;                    ///< host name, without domain
  std::string machine_id;              ///< equal for all processes that share this machine's memory, whatever their host name
  std::string cpu;                     ///< "AMD EPYC 9654"
  int performance_cores = 1;           ///< physical performance cores within affinity and the cgroup's quota
  std::uint64_t memory_total_bytes = 0;
  std::uint64_t memory_available_bytes = 0;  ///< MemAvailable; on a Mac the GPU's recommended working set
  std::uint64_t memory_limit_bytes = 0;      ///< the cgroup's limit less what it uses now; 0: none
};
/// One implementation a system, in machine_linux.cc and machine_macos.cc.
SystemFacts system_facts();

/// Bytes that all stages on this machine may use together. `option`: "" (default: available memory less 10 %, within 90 % of
/// the container's limit), "80%" (of the total) or "12G". Throws Error{kInvalidArgument} naming --memory.
std::uint64_t memory_budget(const SystemFacts& facts, const std::string& option);

/// GB/s (10^9) that `num_threads` threads read from memory, over 64 MiB each, for about `duration`.
double measure_read_bandwidth(int num_threads, std::chrono::milliseconds duration = std::chrono::milliseconds(300));

}  // namespace tandem::cluster
