#include <mach/mach.h>
#include <objc/message.h>
#include <objc/runtime.h>
#include <sys/sysctl.h>
#include <unistd.h>
#include <uuid/uuid.h>

#include <string>

#include "tandem/base/hash.h"
#include "tandem/cluster/machine.h"

// From Metal.framework; declared here so that this file stays C++.
extern "C" id MTLCreateSystemDefaultDevice(void);

namespace tandem::cluster {
namespace {

template <typename T>
T sysctl_value(const char* name, T otherwise) {
  T value{};
  std::size_t size = sizeof(value);
  return sysctlbyname(name, &value, &size, nullptr, 0) == 0 ? value : otherwise;
}

std::string cpu_name() {
  char name[256] = "";
  std::size_t size = sizeof(name) - 1;
  sysctlbyname("machdep.cpu.brand_string", name, &size, nullptr, 0);
  return name;
}

// The hardware's UUID, hashed: it is nobody's business on the network. "" when the system does not tell it.
std::string machine_id() {
  uuid_t uuid;
  const timespec patience{1, 0};
  return gethostuuid(uuid, &patience) == 0 ? to_hex(sha256(uuid)).substr(0, 32) : "";
}

// What Metal says that the GPU may keep wired without hurting the system; CPU stages on a Mac share that memory.
std::uint64_t recommended_working_set() {
  const id device = MTLCreateSystemDefaultDevice();
  if (device == nullptr) return 0;
  using Getter = std::uint64_t (*)(id, SEL);
  return reinterpret_cast<Getter>(objc_msgSend)(device, sel_registerName("recommendedMaxWorkingSetSize"));
}

}  // namespace

SystemFacts system_facts() {
  char name[256] = "localhost";
  gethostname(name, sizeof(name) - 1);
  SystemFacts facts;
  facts.name = std::string(name).substr(0, std::string(name).find('.'));
  facts.machine_id = machine_id();
  facts.cpu = cpu_name();
  facts.performance_cores = sysctl_value<int>("hw.perflevel0.physicalcpu", sysctl_value<int>("hw.physicalcpu", 1));
  facts.memory_total_bytes = sysctl_value<std::uint64_t>("hw.memsize", 0);
  const std::uint64_t working_set = recommended_working_set();
  facts.memory_available_bytes = working_set > 0 ? working_set : facts.memory_total_bytes / 4 * 3;
  return facts;
}

}  // namespace tandem::cluster
