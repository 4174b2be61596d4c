"""The requests of the Python setup that tandem replaces, byte for byte, against folders shaped like its models."""

import json
import subprocess

import pytest

from servers import ROOT, TANDEM, serving, wait_until

QUESTION = '{"messages": [{"role": "user", "content": "Hello! Can you explain what you are?"}], "max_tokens": 100}'


@pytest.mark.parametrize("name", ["tiny-phi", "tiny-llama"])
def test_the_two_requests_of_the_seed_get_200_and_text(random_model, name):
    with serving(random_model(name, "--set", "max_position_embeddings=512"), "--local", "2") as server:
        health = subprocess.run(["curl", "-s", "-w", "%{http_code}", f"{server.url}/health"], capture_output=True, text=True, timeout=20).stdout
        assert health.endswith("200") and json.loads(health[:-3])["status"] == "ok"
        answer = subprocess.run(["curl", "-s", "-X", "POST", f"{server.url}/v1/chat/completions", "-H", "Content-Type: application/json",
                                 "-d", QUESTION], capture_output=True, timeout=60).stdout
        choice = json.loads(answer)["choices"][0]
        assert choice["message"]["content"]
        assert choice["finish_reason"] in ("stop", "length")
        assert "no chat template" in server.output, "the built-in default is named once at start"


def test_status_prints_the_cluster_and_succeeds_only_when_ready(random_model):
    with serving(random_model("tiny-llama"), "--local", "2") as server:
        status = subprocess.run([TANDEM, "status", "--url", server.url], capture_output=True, text=True, timeout=20)
        assert status.returncode == 0, status.stderr
        assert "rank" in status.stdout and "emb,0-" in status.stdout and ",head" in status.stdout
        server.stop()
        assert subprocess.run([TANDEM, "status", "--url", server.url], capture_output=True, timeout=20).returncode != 0


def test_log_files_have_the_names_of_the_old_setup(random_model, tmp_path):
    with serving(random_model("tiny-llama"), "--local", "2", "--log-dir", str(tmp_path)):
        wait_until(lambda: len(list(tmp_path.glob("worker_*_*.log"))) == 2, 5, "a log file for each rank")
        assert list(tmp_path.glob("api_master_*.log"))


def test_chat_asks_one_question(random_model):
    with serving(random_model("tiny-llama"), "--local", "1") as server:
        chat = subprocess.run([TANDEM, "chat", "--url", server.url, "-q", "Hello", "--max-tokens", "8"], capture_output=True, timeout=30)
        assert chat.returncode == 0 and chat.stdout.strip(), chat.stderr


@pytest.mark.parametrize("arguments, code, words", [
    (["serve", "/nonexistent/model"], 3, "/nonexistent/model"),
    (["serve", "org/never-fetched"], 3, "hf download org/never-fetched"),
    (["serve", "demo", "--host", "0.0.0.0"], 2, "--api-key-file"),
    (["serve", "demo", "--nodes", "x"], 2, "--nodes"),
    (["serve", "demo", "--nosuchflag"], 2, "nosuchflag"),
    (["status", "--url", "https://localhost:1"], 1, "https"),
])
def test_mistakes_end_with_their_exit_code_and_a_sentence(tmp_path, arguments, code, words):
    ended = subprocess.run([TANDEM, *arguments], capture_output=True, text=True, timeout=20, env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"})
    assert ended.returncode == code, ended.stderr
    assert words in ended.stderr + ended.stdout


def test_a_split_that_is_not_of_this_model_ends_serve(random_model, tmp_path):
    ended = subprocess.run([TANDEM, "serve", random_model("tiny-llama"), "--local", "2", "--split", "1,9", "--port", "0"],
                           capture_output=True, text=True, timeout=30, env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"})
    assert ended.returncode == 2 and "--split" in ended.stderr
