#!/usr/bin/env bash
# Builds the given targets in build/; with --tests the tree has tests. Configures only what is not configured yet: a tree that
# has tests keeps them. JOBS overrides how many compilers run at a time. Called by the Makefile.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/packages.sh

tests=OFF
if [ "${1:-}" = "--tests" ]; then
  tests=ON
  shift
fi

# One compiler for each core, as far as memory goes: a file that sees libtorch takes 1.5 GB.
jobs_here() {
  local cores memory_kb
  cores=$(nproc 2>/dev/null || sysctl -n hw.ncpu)
  memory_kb=$(sed -n 's/^MemAvailable: *\([0-9]*\).*/\1/p' /proc/meminfo 2>/dev/null || true)
  awk -v cores="$cores" -v kb="${memory_kb:-0}" 'BEGIN {
    fits = kb ? int(kb / 1500000) : cores; jobs = fits < cores ? fits : cores; print jobs < 1 ? 1 : jobs }'
}

use_own_build_tools
export PATH="$PATH:${CUDA_HOME:-/usr/local/cuda}/bin"
options=(-DCMAKE_BUILD_TYPE=Release "-DTANDEM_TESTS=$tests" -DTANDEM_TORCH=ON)
command -v ninja >/dev/null || options+=("-DCMAKE_MAKE_PROGRAM=$PWD/.venv/bin/ninja")

needs_configuring() {
  [ ! -f build/build.ninja ] || [ ! -f build/CMakeCache.txt ] ||
    { [ "$tests" = ON ] && ! grep -q '^TANDEM_TESTS:BOOL=ON' build/CMakeCache.txt; }
}
if needs_configuring; then
  mkdir -p build
  if ! cmake -S . -B build -G Ninja "${options[@]}" > build/configure.log 2>&1; then
    cat build/configure.log >&2
    echo "CMake could not configure build/: see above. tools/packages.sh lists what tandem needs" >&2
    exit 1
  fi
fi
cmake --build build --parallel "${JOBS:-$(jobs_here)}" --target "$@"
