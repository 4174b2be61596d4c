#!/usr/bin/env bash
# The command of the Python setup that tandem replaces:
#   MODEL_NAME="microsoft/phi-2" ./launch_pytorch_api.sh
#   MODEL_NAME="microsoft/phi-2" WORKERS="mini2 mini3" ./launch_pytorch_api.sh
# It fetches a model that is missing, starts the API on port 8100 here with logs in logs/, and over ssh one worker on each
# machine of WORKERS, where tandem lies in TANDEM_DIR (default: the same folder as here).
set -euo pipefail
cd "$(dirname "$0")"

model=${MODEL_NAME:-demo}
workers=${WORKERS:-}
there=${TANDEM_DIR:-$PWD}

[ -x build/bin/tandem ] || make build
export PATH="$PWD/build/bin:$PATH"

# Only names on the Hub are fetched; a folder or the demo model is there or is an error that serve explains.
if [ ! -d "$model" ] && [ "$model" != demo ] && ! tandem resolve "$model" > /dev/null 2>&1; then
  echo "fetching $model"
  [ -x .venv/bin/hf ] || .venv/bin/python -m pip install --quiet huggingface_hub
  .venv/bin/hf download "$model" --exclude '*.bin' '*.pth' '*.gguf' '*.onnx'
fi

mkdir -p logs
pids=()
stop() {
  kill -TERM "${pids[@]}" 2>/dev/null || true
  wait 2>/dev/null || true
}
trap stop EXIT INT TERM

if [ -z "$workers" ]; then
  echo "no WORKERS: one rank on this machine serves $model (WORKERS=\"mini2\" would add another over ssh)"
  tandem serve "$model" --log-dir logs "$@" &
  pids+=($!)
else
  # shellcheck disable=SC2086
  set -- --nodes $(($(wc -w <<< "$workers") + 1)) "$@"
  tandem serve "$model" --log-dir logs "$@" &
  pids+=($!)
  for worker in $workers; do
    # The secret travels through ssh's stdin, which then stays open: when this script ends, so does the worker.
    head=$(ssh "$worker" 'echo "${SSH_CONNECTION%% *}"')
    { tandem secret; sleep infinity; } |
      ssh "$worker" "cd '$there' && exec build/bin/tandem join '$head' --secret-stdin --end-with-stdin --log-dir logs" &
    pids+=($!)
  done
fi
wait "${pids[0]}"
