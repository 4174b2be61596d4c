"""Asks tandem's tokenizer, through its compiled driver, about a folder with a tokenizer.json."""

import json
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("TANDEM_BUILD", "build")


def ask(folder, questions, timeout_s=300):
    """The answers to `questions` (dicts, see tests/drivers/tokenizer_driver.cc) about the tokenizer in `folder`."""
    driver = BUILD / "bin" / "tandem_tokenizer_driver"
    assert driver.exists(), f"{driver} is missing: build tandem_tokenizer_driver, or set TANDEM_BUILD"
    lines = [json.dumps({"load": str(folder)})] + [json.dumps(q) for q in questions]
    done = subprocess.run(
        [driver], input="\n".join(lines) + "\n", capture_output=True, text=True, timeout=timeout_s, check=True
    )
    answers = [json.loads(line) for line in done.stdout.split("\n") if line]
    assert isinstance(answers[0], int), answers[0]
    assert len(answers) == len(lines)
    return answers[1:]
