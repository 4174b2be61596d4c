#!/usr/bin/env bash
# Starts a head and two ranks here with the demo model, asks one question with curl, prints the answer as it streams and a
# line of timing for each rank, and stops everything. Called by `make demo`.
set -euo pipefail
cd "$(dirname "$0")/.."
port=${TANDEM_PORT:-8100}
url=http://localhost:$port
log=$(mktemp)

build/bin/tandem serve demo --local 2 --port "$port" 2> "$log" &
server=$!
cleanup() {
  kill -TERM "$server" 2>/dev/null || true
  wait "$server" 2>/dev/null || true
  rm -f "$log"
}
trap cleanup EXIT

for _ in $(seq 300); do
  if ! kill -0 "$server" 2>/dev/null; then cat "$log" >&2; echo "tandem serve ended before it was ready" >&2; exit 1; fi
  build/bin/tandem status --url "$url" > /dev/null 2>&1 && break
  sleep 0.1
done
build/bin/tandem status --url "$url" || { cat "$log" >&2; exit 1; }

question="Hello! Can you explain what you are?"
printf '\n> %s\n' "$question"
curl -sS --no-buffer --fail-with-body "$url/v1/chat/completions" -H 'Content-Type: application/json' \
  -d "{\"messages\": [{\"role\": \"user\", \"content\": \"$question\"}], \"max_tokens\": 100, \"stream\": true}" |
  .venv/bin/python tools/print_stream.py
printf '\n'
build/bin/tandem status --url "$url" --timing
kill -TERM "$server"
wait "$server"
trap - EXIT
rm -f "$log"
