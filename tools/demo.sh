#!/usr/bin/env bash
# Starts a head and two ranks here with the demo model, asks one question with curl, prints the answer as it streams and a
# line of timing for each rank, and stops everything. When anything fails, shows the server's log. Called by `make demo`.
set -euo pipefail
cd "$(dirname "$0")/.."

# The demo is the same whatever the shell was set up for.
unset RANK WORLD_SIZE MASTER_ADDR MASTER_PORT MODEL_NAME TANDEM_URL TANDEM_API_KEY OPENAI_API_KEY
question="Hello! Can you explain what you are?"
log=$(mktemp)
server=""

finish() {
  local status=$?
  trap - EXIT
  if [ -n "$server" ]; then
    kill -TERM "$server" 2>/dev/null || true
    wait "$server" || status=$?
  fi
  if [ "$status" != 0 ]; then
    printf '\nThe demo failed. The log of tandem serve:\n' >&2
    cat "$log" >&2
  fi
  rm -f "$log"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Another server may hold the port that `make serve` uses: the demo then takes any that is free.
free_port() {
  .venv/bin/python - "${TANDEM_PORT:-8100}" <<'PYTHON'
import socket, sys
for port in (int(sys.argv[1]), 0):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        sys.exit(print(probe.getsockname()[1]))
PYTHON
}
port=$(free_port)
url=http://127.0.0.1:$port

build/bin/tandem serve demo --local 2 --port "$port" 2> "$log" &
server=$!
for _ in $(seq 600); do
  kill -0 "$server" 2>/dev/null || break
  ! build/bin/tandem status --url "$url" > /dev/null 2>&1 || break
  sleep 0.1
done
build/bin/tandem status --url "$url"

printf '\n> %s\n' "$question"
curl -sS --no-buffer --fail-with-body --noproxy '*' --max-time 120 "$url/v1/chat/completions" \
  -H 'Content-Type: application/json' \
  -d "{\"messages\": [{\"role\": \"user\", \"content\": \"$question\"}], \"max_tokens\": 100, \"stream\": true}" |
  .venv/bin/python tools/print_stream.py
echo
build/bin/tandem status --url "$url" --timing
