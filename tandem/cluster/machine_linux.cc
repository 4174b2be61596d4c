#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <thread>

#include "tandem/base/hash.h"
#include "tandem/base/strings.h"
#include "tandem/cluster/machine.h"

namespace tandem::cluster {
namespace {

std::string read_line(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}

std::int64_t read_number(const std::filesystem::path& path, std::int64_t otherwise) {
  return parse_int(trim(read_line(path))).value_or(otherwise);
}

std::uint64_t meminfo_bytes(const std::string& field) {
  std::ifstream in("/proc/meminfo");
  std::string line;
  while (std::getline(in, line)) {
    if (line.rfind(field + ":", 0) == 0) return std::stoull(line.substr(field.size() + 1)) * 1024;
  }
  return 0;
}

std::string cpu_name() {
  std::ifstream in("/proc/cpuinfo");
  std::string line;
  while (std::getline(in, line)) {
    if (line.rfind("model name", 0) == 0 || line.rfind("Model", 0) == 0) {
      return std::string(trim(line.substr(line.find(':') + 1)));
    }
  }
  return "unknown CPU";
}

// The folders of this process's cgroup and its ancestors, innermost first; a limit may stand in any of them. `controller`
// is a version-1 hierarchy ("memory", "cpu"); "" is the unified one of version 2.
std::vector<std::filesystem::path> cgroup_folders(const std::string& controller) {
  std::ifstream in("/proc/self/cgroup");
  std::string line;
  std::vector<std::filesystem::path> folders;
  while (std::getline(in, line)) {
    const auto parts = split(line, ':');
    if (parts.size() < 3) continue;
    const auto names = split(parts[1], ',');
    if (controller.empty() ? !parts[1].empty() : std::find(names.begin(), names.end(), controller) == names.end()) continue;
    const std::filesystem::path root = std::filesystem::path("/sys/fs/cgroup") / controller;
    std::filesystem::path inside = parts[2];
    for (; inside.has_relative_path(); inside = inside.parent_path()) folders.push_back(root / inside.relative_path());
    folders.push_back(root);
  }
  return folders;
}

// The tightest of the limits: what it still allows (0: no limit) and whose it is.
struct MemoryLimit {
  std::uint64_t left_bytes = 0;
  std::filesystem::path folder;
};

// Version 1 writes "none" as a number near 2^63.
MemoryLimit memory_limit() {
  constexpr std::int64_t kNoLimit = std::int64_t{1} << 60;
  MemoryLimit tightest;
  const auto consider = [&](const std::filesystem::path& limit_file, const std::filesystem::path& used_file) {
    const std::int64_t limit = read_number(limit_file, kNoLimit);
    if (limit <= 0 || limit >= kNoLimit) return;
    const auto left = static_cast<std::uint64_t>(std::max<std::int64_t>(limit - read_number(used_file, 0), 1));
    if (tightest.left_bytes == 0 || left < tightest.left_bytes) tightest = {left, limit_file.parent_path()};
  };
  for (const auto& folder : cgroup_folders("")) consider(folder / "memory.max", folder / "memory.current");
  for (const auto& folder : cgroup_folders("memory")) {
    consider(folder / "memory.limit_in_bytes", folder / "memory.usage_in_bytes");
  }
  return tightest;
}

// The boot names the kernel whose memory it is: containers and namespaces share it, clones of a virtual machine do not (they
// may share /etc/machine-id). Where a container's limit is what counts, the container stands for a machine of its own.
std::string machine_id(const SystemFacts& facts, const MemoryLimit& limit) {
  std::string what = read_line("/proc/sys/kernel/random/boot_id");
  if (what.empty()) return "";
  if (limit.left_bytes > 0 && limit.left_bytes < facts.memory_available_bytes) {
    std::error_code ignored;
    what += "\n" + std::filesystem::read_symlink("/proc/self/ns/cgroup", ignored).string() + limit.folder.string();
  }
  Sha256 hash;
  hash.update(what);
  return to_hex(hash.finish()).substr(0, 32);
}

double cgroup_cpu_quota() {
  double quota = 1e9;
  for (const auto& folder : cgroup_folders("")) {
    std::istringstream in(read_line(folder / "cpu.max"));
    double limit = 0, period = 0;
    if (in >> limit >> period && period > 0) quota = std::min(quota, limit / period);
  }
  for (const auto& folder : cgroup_folders("cpu")) {
    const std::int64_t limit = read_number(folder / "cpu.cfs_quota_us", -1), period = read_number(folder / "cpu.cfs_period_us", 0);
    if (limit > 0 && period > 0) quota = std::min(quota, static_cast<double>(limit) / static_cast<double>(period));
  }
  return quota;
}

// Distinct (package, core) pairs among the fastest kind of core that affinity allows: siblings share their arithmetic units.
int performance_cores() {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return static_cast<int>(std::thread::hardware_concurrency());
  std::map<std::int64_t, std::set<std::pair<std::int64_t, std::int64_t>>> cores_by_capacity;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    const std::filesystem::path folder = "/sys/devices/system/cpu/cpu" + std::to_string(cpu);
    const std::int64_t capacity = read_number(folder / "cpu_capacity", 1024);
    cores_by_capacity[capacity].insert(
        {read_number(folder / "topology/physical_package_id", 0), read_number(folder / "topology/core_id", cpu)});
  }
  const std::size_t cores = cores_by_capacity.empty() ? 1 : cores_by_capacity.rbegin()->second.size();
  return std::max(1, static_cast<int>(std::min(static_cast<double>(cores), std::floor(cgroup_cpu_quota()))));
}

}  // namespace

SystemFacts system_facts() {
  char name[256] = "localhost";
  gethostname(name, sizeof(name) - 1);
  SystemFacts facts;
  facts.name = std::string(name).substr(0, std::string(name).find('.'));
  facts.cpu = cpu_name();
  facts.performance_cores = performance_cores();
  facts.memory_total_bytes = meminfo_bytes("MemTotal");
  facts.memory_available_bytes = meminfo_bytes("MemAvailable");
  const MemoryLimit limit = memory_limit();
  facts.memory_limit_bytes = limit.left_bytes;
  facts.machine_id = machine_id(facts, limit);
  return facts;
}

}  // namespace tandem::cluster
