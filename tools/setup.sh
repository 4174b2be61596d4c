#!/usr/bin/env bash
# Installs what tandem needs to be built, and with --tests what its tests need as well. Says first what it will do; a
# second run does nothing. Called by the Makefile.
set -euo pipefail
cd "$(dirname "$0")/.."
source tools/packages.sh

want_tests=0
[ "${1:-}" = "--tests" ] && want_tests=1

system=$(detect_system)
missing=$(missing_system_packages "$system" "$want_tests")
stamp=.venv/.tandem-setup
wanted_stamp=$(cat tools/setup.sh tools/packages.sh tests/requirements.txt 2>/dev/null | cksum)$([ -n "${TANDEM_CUDA:-}" ] && echo " cuda")
have_stamp=$(cat "$stamp" 2>/dev/null || true)
have_tests_stamp=$(cat "$stamp-tests" 2>/dev/null || true)

needs_venv=0
[ "$have_stamp" = "$wanted_stamp" ] || needs_venv=1
needs_test_packages=0
if [ "$want_tests" = 1 ] && [ "$have_tests_stamp" != "$wanted_stamp" ]; then needs_test_packages=1; fi
[ -n "$missing" ] || [ "$needs_venv" = 1 ] || [ "$needs_test_packages" = 1 ] || exit 0

requirement=$(torch_requirement "$(uname -s)" "$(uname -m)")
echo "tandem needs a few things first. This will:"
if [ -n "$missing" ]; then
  case "$system" in
    debian) echo "  - run with sudo: apt-get install $missing" ;;
    macos) echo "  - run: brew install $missing" ;;
    *) echo "  - NOT install system packages (unknown system). It needs these, by their Debian names:"; echo "      $missing" ;;
  esac
fi
if [ "$needs_venv" = 1 ]; then
  echo "  - make the Python environment .venv and download into it: $requirement (about 200 MB on a CPU)"
  echo "    and CMake or Ninja from PyPI if the system's are missing or too old"
fi
[ "$needs_test_packages" = 0 ] || echo "  - download the test requirements into .venv: $(tr '\n' ' ' < tests/requirements.txt)"
echo "  - then build tandem with C++ compilers in build/ (about 10 minutes on 2 cores)"

if [ -n "$missing" ]; then install_system_packages "$system" "$missing"; fi
if [ "$needs_venv" = 1 ]; then
  check_cuda_toolkit
  make_venv
  install_torch "$requirement"
  install_build_tools
  echo "$wanted_stamp" > "$stamp"
fi
if [ "$needs_test_packages" = 1 ]; then
  .venv/bin/python -m pip install --quiet -r tests/requirements.txt
  echo "$wanted_stamp" > "$stamp-tests"
fi
