#!/usr/bin/env bash
# Runs every test on the build in build/: the compiled ones first, then those that need Python references or several
# processes. Closes with the runners' summary lines. Called by `make test`.
set -uo pipefail
cd "$(dirname "$0")/.."
export TANDEM_BUILD="$PWD/build"
status=0
(cd build && "$([ -x ../.venv/bin/ctest ] && echo ../.venv/bin/ctest || echo ctest)" --output-on-failure -j 2 --timeout 300) || status=1
.venv/bin/python -m pytest -q tests/python || status=1
exit $status
