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
# Quoted for the shell over there, which knows what ~ is.
there=$(printf '%q' "${TANDEM_DIR:-$PWD}")
there=${there/#\\~/\~}

{ [ -x build/bin/tandem ] && [ -x build/bin/tandem-stage ]; } || make build
export PATH="$PWD/build/bin:$PATH"

# Only names on the Hub are fetched; a folder or the demo model is there or is an error that serve explains.
if [ ! -d "$model" ] && [ "$model" != demo ] && ! tandem resolve "$model" > /dev/null 2>&1; then
  echo "fetching $model"
  [ -x .venv/bin/hf ] || .venv/bin/python -m pip install --quiet huggingface_hub
  .venv/bin/hf download "$model" --exclude '*.bin' '*.pth' '*.gguf' '*.onnx'
fi

mkdir -p logs
pids=()
gate=""
stop() {
  trap - EXIT INT TERM
  [ -z "$gate" ] || rm -rf "$gate"
  kill -TERM ${pids[@]+"${pids[@]}"} 2>/dev/null || true
  wait 2>/dev/null || true
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if [ -z "$workers" ]; then
  echo "no WORKERS: one rank on this machine serves $model (WORKERS=\"mini2\" would add another over ssh)"
  tandem serve "$model" --log-dir logs "$@" &
  pids+=($!)
else
  tandem serve "$model" --log-dir logs --nodes $(($(wc -w <<< "$workers") + 1)) "$@" &
  pids+=($!)
  # The secret travels through ssh's stdin, which then waits at a gate that only this script holds open: however the script
  # ends, the gate closes, with it the stdin of every worker, and so the workers end.
  gate=$(mktemp -d)
  mkfifo "$gate/open"
  exec 9<> "$gate/open"
  for worker in $workers; do
    # Over there, the ssh connection names this machine by the address that the worker reaches it at.
    here=$(ssh -n "$worker" 'echo "${SSH_CONNECTION%% *}"' 9>&-)
    # shellcheck disable=SC2029
    { tandem secret && cat "$gate/open"; } 9>&- |
      ssh "$worker" "cd $there && exec build/bin/tandem join '$here' --secret-stdin --end-with-stdin --log-dir logs" 9>&- &
    pids+=($!)
  done
fi
wait "${pids[0]}"
