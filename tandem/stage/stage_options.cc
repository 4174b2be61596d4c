#include "tandem/stage/stage_options.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "tandem/base/error.h"
#include "tandem/base/hash.h"
#include "tandem/base/json.h"

namespace tandem::stage {
namespace {

constexpr std::size_t kMaxLineBytes = 64 << 10;
constexpr std::string_view kWhat = "the stage's options";

/// The field's value; `fallback` when it is absent.
template <typename T>
T field(const Json& options, const char* name, const T& fallback) {
  if (!options.contains(name)) return fallback;
  try {
    return options.at(name).get<T>();
  } catch (const Json::exception&) {
    throw Error(Code::kInvalidArgument,
                std::string(kWhat) + ": \"" + name + "\" is of another type than expected");
  }
}

std::string required(const Json& options, const char* name) {
  const auto value = field<std::string>(options, name, "");
  if (value.empty())
    throw Error(Code::kInvalidArgument, std::string(kWhat) + ": \"" + name + "\" is missing");
  return value;
}

std::int64_t within(const Json& options, const char* name, std::int64_t fallback,
                    std::int64_t last) {
  const auto value = field<std::int64_t>(options, name, fallback);
  if (value < 0 || value > last) {
    throw Error(Code::kInvalidArgument, std::string(kWhat) + ": \"" + name + "\" is " +
                                            std::to_string(value) + ", 0 to " +
                                            std::to_string(last) + " may be");
  }
  return value;
}

}  // namespace

StageOptions parse_stage_options(std::string_view line) {
  const Json json = parse_json(line, kWhat, {.max_bytes = kMaxLineBytes, .max_depth = 4});
  if (!json.is_object())
    throw Error(Code::kInvalidArgument, std::string(kWhat) + ": not a JSON object");
  StageOptions options;
  const std::string secret = required(json, "secret");
  try {
    options.secret.bytes = from_hex(secret);
  } catch (const Error&) {
    throw Error(Code::kInvalidArgument, std::string(kWhat) + ": \"secret\" must be hexadecimal");
  }
  options.head = required(json, "head");
  options.stage = required(json, "stage");
  options.name = field<std::string>(json, "name", options.stage);
  options.port = static_cast<std::uint16_t>(within(json, "port", options.port, 65535));
  options.num_threads =
      static_cast<int>(std::max<std::int64_t>(1, within(json, "num_threads", 1, 1024)));
  const auto choice = [&](const char* name) {
    const auto value = field<std::string>(json, name, "");
    return value.empty() ? "auto" : value;
  };
  options.device = choice("device");
  options.ops = choice("ops");
  options.kernels = choice("kernels");
  return options;
}

std::string read_first_line(int fd) {
  std::string line;
  char byte = 0;
  // Byte by byte, once: what follows the newline is not ours to swallow.
  while (line.size() < kMaxLineBytes) {
    const ssize_t count = ::read(fd, &byte, 1);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0)
      throw Error(Code::kIo, std::string(kWhat) + ": stdin ended before a whole line");
    if (byte == '\n') return line;
    line.push_back(byte);
  }
  throw Error(Code::kInvalidArgument, std::string(kWhat) + ": the line is longer than 64 KiB");
}

}  // namespace tandem::stage
