#!/usr/bin/env bash
# The command of the Python setup that tandem replaces:
#   MODEL_NAME="microsoft/phi-2" ./launch_pytorch_api.sh
#   MODEL_NAME="microsoft/phi-2" WORKERS="mini2 mini3" ./launch_pytorch_api.sh
# It fetches a model that is missing, starts over ssh one worker on each machine of WORKERS, where tandem lies in TANDEM_DIR
# (default: the same folder as here), and becomes the server: API on port 8100, logs in logs/. Arguments go to `tandem serve`.
set -euo pipefail

model=${MODEL_NAME:-demo}
workers=${WORKERS:-}
# A folder is meant from where this was called; demo is a model's name, wherever a folder has it too.
[ "$model" = demo ] || [ ! -d "$model" ] || model=$(cd "$model" && pwd)
cd "$(dirname "$0")"

build=${TANDEM_BUILD:-$PWD/build}
{ [ -x "$build/bin/tandem" ] && [ -x "$build/bin/tandem-stage" ]; } || make build
tandem=$build/bin/tandem

# Only names on the Hub, org/name, are fetched; anything else is there or is an error that serve explains.
if [[ ! -d $model && $model =~ ^[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9._-]+$ ]] && ! "$tandem" resolve "$model" > /dev/null 2>&1; then
  echo "fetching $model"
  [ -x .venv/bin/hf ] || .venv/bin/python -m pip install --quiet huggingface_hub
  .venv/bin/hf download "$model" --exclude '*.bin' '*.pth' '*.gguf' '*.onnx'
fi

mkdir -p logs
if [ -z "$workers" ]; then
  echo "no WORKERS: one rank on this machine serves $model (WORKERS=\"mini2\" would add another over ssh)"
  exec "$tandem" serve "$model" --log-dir logs "$@"
fi

# What serve is told, the workers and `tandem secret` must know as well.
link_port=12355
secret_file=()
previous=""
for argument in "$@"; do
  case "$previous" in
    --link-port) link_port=$argument ;;
    --secret-file) secret_file=(--secret-file "$argument") ;;
  esac
  case "$argument" in
    --link-port=*) link_port=${argument#*=} ;;
    --secret-file=*) secret_file=("$argument") ;;
  esac
  previous=$argument
done

# For the shell over there, which knows what ~ is. Its ssh connection names this machine by the address that it reaches it at.
there=$(printf '%q' "${TANDEM_DIR:-$PWD}")
there=${there/#\\~/\~}
join="cd $there || exit
head=\${SSH_CONNECTION%% *}
case \$head in *:*) head=[\$head] ;; esac
exec build/bin/tandem join \$head:$link_port --secret-stdin --end-with-stdin --log-dir logs"
# A login shell may be of any kind.
join="exec sh -c '${join//\'/\'\\\'\'}'"

# The secret travels through ssh's stdin, which then stays open as long as this function's: a worker ends when that closes.
start_workers() {
  exec 8<&0
  for worker in $workers; do
    {
      # shellcheck disable=SC2029
      { "$tandem" secret ${secret_file[@]+"${secret_file[@]}"} && exec cat <&8; } | ssh "$worker" "$join" 8<&- ||
        echo "the worker on $worker ended with status $?" >&2
    } &
  done
  wait
}

# Held by the server from here on: however it ends, the pipe closes, and with it the workers' stdin.
exec 9> >(start_workers)
exec "$tandem" serve "$model" --log-dir logs --nodes $(($(wc -w <<< "$workers") + 1)) "$@"
