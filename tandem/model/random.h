// Random numbers by counting: the same key and counter give the same number on every machine, in any order, on any thread.
#pragma once

#include <array>
#include <cstdint>

namespace tandem::model {

/// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key);

/// What names one random number: a sequence's seed, which of its choices, which token of it, which draw for that token.
struct DrawKey {
  std::uint64_t seed = 0;
  std::int32_t choice = 0;
  std::int64_t position = 0;
  std::uint32_t draw = 0;
};

/// Uniform in [0, 1), with 53 random bits.
double uniform(const DrawKey& key);

}  // namespace tandem::model
