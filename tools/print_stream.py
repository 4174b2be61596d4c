#!/usr/bin/env python3
"""Prints the text of a streamed chat answer (server-sent events on stdin) as it comes. Exit 1 without any text."""

import json
import sys

received = 0
for line in sys.stdin:
    if line.startswith("{"):  # the server refused; an error is no stream
        sys.exit(f"the server answered: {line.strip()}")
    if not line.startswith("data: ") or line.strip() == "data: [DONE]":
        continue
    chunk = json.loads(line[len("data: "):])
    if "error" in chunk:
        sys.exit(f"error: {chunk['error']['message']}")
    for choice in chunk["choices"]:
        text = choice["delta"].get("content") or ""
        received += len(text)
        print(text, end="", flush=True)
print()
sys.exit(0 if received else "the answer has no text")
