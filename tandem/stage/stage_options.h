// What the process that starts a stage tells it, as one line of JSON on its stdin: the join secret
// must be neither on the command line nor in the environment.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tandem/link/link.h"

namespace tandem::stage {

struct StageOptions {
  link::Secret secret;  ///< "secret", in hexadecimal
  std::string head;     ///< host, IP or unix socket
  std::uint16_t port = link::kDefaultPort;
  std::string stage;  ///< id of this stage; unique for the head's life
  std::string name;   ///< the machine's, for people
  int num_threads = 1;
  std::string device = "auto";   ///< auto, cpu, mps, cuda
  std::string ops = "auto";      ///< auto, aten
  std::string kernels = "auto";  ///< auto, or an instruction set by name
};

/// Throws Error{kInvalidArgument} naming the field; unknown fields are ignored. Messages never
/// contain the secret.
StageOptions parse_stage_options(std::string_view line);
/// Reads up to the first newline of a descriptor, at most 64 KiB; throws Error{kIo} when it ends
/// before.
std::string read_first_line(int fd);

}  // namespace tandem::stage
