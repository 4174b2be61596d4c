// What a build says of itself, and whether two builds can work together.
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>

#include "tandem/base/strings.h"
#include "tandem/link/link.h"

namespace tandem::link {
namespace {

#if defined(__APPLE__)
constexpr const char* kOs = "macos";
#else
constexpr const char* kOs = "linux";
#endif

/// The machine's name up to its first dot ("mini2" of "mini2.local"), in the form that a hello may carry.
std::string machine_name() {
  char buffer[256] = "";
  if (::gethostname(buffer, sizeof(buffer) - 1) != 0) return "unnamed";
  std::string name = split(buffer, '.').front().substr(0, 64);
  std::replace_if(name.begin(), name.end(), [](char c) { return c < 0x20 || c >= 0x7f; }, '?');
  return name.empty() ? "unnamed" : name;
}

std::string architecture() {
  utsname system;
  return ::uname(&system) == 0 ? system.machine : "unknown";
}

/// "this machine has tandem 0.1.0, mini2 has 0.2.0".
std::string both_have(const std::string& what, const std::string& mine, const Identity& peer,
                      const std::string& theirs) {
  return "this machine has " + what + " " + mine + ", " + peer.name + " has " + theirs;
}

std::string system_text(const Identity& identity) {
  return identity.os == "macos" ? "a Mac" : "a " + identity.os + " machine";
}

}  // namespace

Identity this_identity(Role role) {
  return {role, TANDEM_VERSION, TANDEM_TORCH_VERSION, kOs, architecture(), machine_name()};
}

std::string mismatch(const Identity& a, const Identity& b, bool both_have_ranks) {
  if (a.tandem_version != b.tandem_version) {
    return both_have("tandem", a.tandem_version, b, b.tandem_version) + ": install the same version on both";
  }
  if (!both_have_ranks) return "";
  if (a.torch_version != b.torch_version) {
    return both_have("torch", a.torch_version, b, b.torch_version) + ": install the same release on both";
  }
  if (a.os != b.os) {
    return a.name + " is " + system_text(a) + ", " + b.name + " is " + system_text(b) +
           ": PyTorch's Gloo has no common transport between them; use machines of one kind for the ranks (the head may "
           "run anywhere)";
  }
  return "";
}

}  // namespace tandem::link
