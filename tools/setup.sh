#!/usr/bin/env bash
# Installs what tandem needs to be built, and with --tests what its tests need as well. Says first what it will do; when all
# is there it says and does nothing. Called by the Makefile.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/packages.sh

want_tests=0
[ "${1:-}" != "--tests" ] || want_tests=1

system=$(detect_system)
requirement=$(torch_requirement "$(uname -s)" "$(uname -m)")
check_cuda_toolkit

# What an earlier run has finished is written into the environment, and goes when that is removed.
torch_stamp=.venv/.tandem-torch
tests_stamp=.venv/.tandem-tests
tests_wanted=$(cksum < tests/requirements.txt)
is_written() { [ "$(cat "$1" 2>/dev/null)" = "$2" ]; }

missing=$(missing_system_packages "$system" "$want_tests")
need_torch=0
is_written "$torch_stamp" "$requirement" || need_torch=1
need_tests=0
[ "$want_tests" = 0 ] || is_written "$tests_stamp" "$tests_wanted" || need_tests=1
# The package manager may bring them in a moment; what it brings may be too old.
build_tools=$(build_tools_wanted)

if [ -z "$missing$build_tools" ] && [ "$need_torch$need_tests" = 00 ]; then exit 0; fi

echo "tandem needs a few things first. This will:"
if [ -n "$missing" ]; then
  if [ "$system" = unknown ]; then
    echo "  - NOT install system packages, which are not known for this system. These seem to be missing, by their Debian names:"
    echo "      $missing"
    echo "    It goes on without; CMake says what it does not find."
  else
    echo "  - run: $(install_command "$system" "$missing")"
    [ "$system" != debian ] || echo "    (after: $(as_root)apt-get update)"
  fi
fi
if [ "$need_torch" = 1 ]; then
  index=$(torch_index "$requirement")
  [ -x .venv/bin/python ] || echo "  - make the Python environment .venv"
  echo "  - download into .venv: $requirement and numpy${index:+ (where pip looks, and in $index)}"
  [ "${TANDEM_CUDA:-0}" = 1 ] && echo "    (the CUDA build: several GB)" || echo "    (about 200 MB)"
fi
[ -z "$build_tools" ] || echo "  - download into .venv, where the system has none that is new enough: $build_tools"
[ "$need_tests" = 0 ] || echo "  - download into .venv, for the tests: $(tr '\n' ' ' < tests/requirements.txt)"
if [ "$want_tests" = 1 ]; then
  echo "  - then build tandem and its tests in build/ and run them (half an hour on 2 cores)"
else
  echo "  - then build tandem in build/ (several minutes on 2 cores)"
fi

if [ -n "$missing" ]; then install_system_packages "$system" "$missing"; fi
make_venv
if [ "$need_torch" = 1 ]; then
  install_torch "$requirement"
  # A build folder remembers the libtorch that it was configured with.
  rm -f build/CMakeCache.txt
  echo "$requirement" > "$torch_stamp"
fi
build_tools=$(build_tools_wanted)
if [ -n "$build_tools" ]; then install_build_tools "$build_tools"; fi
if [ "$need_tests" = 1 ]; then
  .venv/bin/python -m pip install --quiet -r tests/requirements.txt
  echo "$tests_wanted" > "$tests_stamp"
fi
