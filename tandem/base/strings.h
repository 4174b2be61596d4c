// Small text helpers that several rooms need: sizes, joining, formatting of bytes and durations.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tandem {

std::vector<std::string> split(std::string_view text, char separator);
std::string join(const std::vector<std::string>& parts, std::string_view separator);
std::string_view trim(std::string_view text);

/// A whole decimal number; nullopt on anything else, overflow included.
std::optional<std::int64_t> parse_int(std::string_view text);
/// A decimal number such as 0.5 or 1e-3 in the C locale; nullopt on anything else.
std::optional<double> parse_double(std::string_view text);

/// "12G", "512M", "32k", "4096": k, m, g, t are powers of 1000, K, M, G, T (and Ki, …) of 1024. Throws
/// Error{kInvalidArgument} that names `flag`.
std::uint64_t parse_size(std::string_view text, std::string_view flag);

/// "1.5 GiB", "312 MiB", "17 B".
std::string format_bytes(std::uint64_t bytes);

/// printf into a string, for numbers: Apple's clang has no std::format.
#if defined(__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
std::string format(const char* pattern, ...);

}  // namespace tandem
