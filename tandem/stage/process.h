// What a stage needs of its system: to die with its parent, and to know how much memory it holds.
// One file a system.
#pragma once

#include <cstdint>

namespace tandem::stage {

/// Asks the system to kill this process when the one that started it dies, where it can; the end of
/// stdin says so everywhere.
void die_with_parent();
/// Resident bytes of this process.
std::uint64_t resident_bytes();
/// Makes a write to a peer that has gone an error and not the end of the process: Gloo writes
/// without MSG_NOSIGNAL.
void ignore_broken_pipes();
/// Raises the soft limit of open descriptors to the hard one: Gloo ends the process when they run
/// out.
void raise_descriptor_limit();

}  // namespace tandem::stage
