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

// The cgroup-v2 folder of this process and its ancestors, innermost first; a limit may stand in any of them.
std::vector<std::filesystem::path> cgroup_folders() {
  std::ifstream in("/proc/self/cgroup");
  std::string line;
  std::vector<std::filesystem::path> folders;
  while (std::getline(in, line)) {
    if (line.rfind("0::", 0) != 0) continue;
    std::filesystem::path inside = line.substr(3);
    const std::filesystem::path root = "/sys/fs/cgroup";
    for (; inside.has_relative_path(); inside = inside.parent_path()) folders.push_back(root / inside.relative_path());
    folders.push_back(root);
  }
  return folders;
}

std::uint64_t cgroup_memory_left() {
  std::uint64_t left = 0;
  for (const auto& folder : cgroup_folders()) {
    const std::int64_t limit = read_number(folder / "memory.max", -1);
    const std::int64_t used = read_number(folder / "memory.current", 0);
    if (limit <= 0) continue;
    const auto here = static_cast<std::uint64_t>(std::max<std::int64_t>(limit - used, 1));
    left = left == 0 ? here : std::min(left, here);
  }
  return left;
}

double cgroup_cpu_quota() {
  double quota = 1e9;
  for (const auto& folder : cgroup_folders()) {
    std::istringstream in(read_line(folder / "cpu.max"));
    double limit = 0, period = 0;
    if (in >> limit >> period && period > 0) quota = std::min(quota, limit / period);
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
  facts.memory_limit_bytes = cgroup_memory_left();
  return facts;
}

}  // namespace tandem::cluster
