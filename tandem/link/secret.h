// The join secret: made on first use, kept in a file that only its owner can read, written so that people can type it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tandem/link/link.h"

namespace tandem::link {

/// 128 fresh random bits.
Secret make_secret();
/// "k7wm-3fxa-…": 28 characters in groups of four; Crockford's base 32 (no i, l, o, u) of 128 bits and a 12-bit checksum.
std::string format_secret(const Secret& secret);
/// Reads it however it was copied: spaces, line ends, dashes, case, o for 0, i and l for 1. Throws
/// Error{kInvalidArgument} that tells a wrong length, a wrong character and a mistyped one apart and never quotes the text.
Secret parse_secret(std::string_view text);
/// Throws Error{kInvalidArgument} below 128 bits: an empty secret would let everybody in.
void require_strong(const Secret& secret);

/// $XDG_CONFIG_HOME/tandem/secret, else ~/.config/tandem/secret.
std::string default_secret_path();
/// The secret in a file; nullopt when there is no such file. Throws Error{kInvalidArgument} when others than its owner can read
/// it (with the command that mends it) or it holds no secret, Error{kIo} when it cannot be read.
std::optional<Secret> load_secret(const std::string& path);
/// As load_secret; makes folder, file (0600) and secret where there are none. Two processes that do so at once get the
/// same secret.
Secret load_or_create_secret(const std::string& path);
/// Replaces the file's secret in one step: a reader finds the old or the new one. Throws Error{kIo}.
void store_secret(const std::string& path, const Secret& secret);
/// Stores a new secret and returns it. Machines that hold the old one can no longer join.
Secret rotate_secret(const std::string& path);

}  // namespace tandem::link
