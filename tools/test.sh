#!/usr/bin/env bash
# Runs every test on the build in build/: the compiled ones first, then those that need Python references or several
# processes. Closes with the runners' summary lines; exit 0 only if both passed. Called by `make test`.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
source tools/packages.sh

export TANDEM_BUILD="$PWD/build"
use_own_build_tools
cores=$(nproc 2>/dev/null || sysctl -n hw.ncpu)

compiled=0
(cd build && ctest --output-on-failure --no-tests=error --timeout 300 -j "${JOBS:-$cores}") 2>&1 | tee build/ctest.log || compiled=1
python=0
.venv/bin/python -m pytest -q --durations=10 -o faulthandler_timeout=900 tests/python 2>&1 | tee build/pytest.log || python=1

printf '\ncompiled tests: %s\npython tests:   %s\n' \
  "$(grep -E '^[0-9]+% tests passed|^No tests' build/ctest.log | tail -n 1)" "$(tail -n 1 build/pytest.log)"
exit $((compiled | python))
