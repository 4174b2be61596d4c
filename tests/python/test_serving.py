"""Properties of a running server that no single room can show."""

import json
import socket
import subprocess
import threading

import pytest

from servers import TANDEM, serving, wait_until


@pytest.fixture(scope="module")
def server(random_model):
    with serving(random_model("tiny-llama", "--dtype", "f32"), "--local", "2") as server:
        yield server


def running(server) -> int:
    return server.get("/health")[1]["models"][0]["running"]


def test_the_same_seed_gives_the_same_answer_whatever_else_runs(server):
    body = {"prompt": "The same seed", "max_tokens": 48, "temperature": 1.0, "seed": 42, "ignore_eos": True, "return_token_ids": True}
    alone = server.post("/v1/completions", body)[1]["choices"][0]["text"]
    others = [threading.Thread(target=server.post, args=("/v1/completions", body | {"prompt": "x" * (10 + 30 * i), "seed": i, "max_tokens": 120}))
              for i in range(5)]
    for other in others:
        other.start()
    wait_until(lambda: running(server) > 0, 10, "the others run")
    together = server.post("/v1/completions", body)[1]["choices"][0]["text"]
    for other in others:
        other.join()
    assert together == alone
    assert server.post("/v1/completions", body | {"seed": 43})[1]["choices"][0]["text"] != alone


def test_streaming_and_waiting_give_the_same_text(server):
    body = {"prompt": "Stream", "max_tokens": 40, "temperature": 0, "ignore_eos": True}
    whole = server.post("/v1/completions", body)[1]["choices"][0]["text"]
    done = subprocess.run(["curl", "-sN", f"{server.url}/v1/completions", "-H", "Content-Type: application/json", "-d",
                           json.dumps(body | {"stream": True})], capture_output=True, timeout=30, check=True)
    chunks = [json.loads(line[6:]) for line in done.stdout.splitlines() if line.startswith(b"data: {")]
    assert "".join(chunk["choices"][0]["text"] for chunk in chunks if chunk["choices"]) == whole
    assert done.stdout.strip().endswith(b"data: [DONE]")


@pytest.mark.parametrize("stream", [False, True])
def test_a_vanished_client_frees_its_sequence(server, stream):
    body = json.dumps({"prompt": "Hello", "max_tokens": 480, "n": 8, "ignore_eos": True, "stream": stream}).encode()
    client = socket.create_connection(("127.0.0.1", server.port))
    client.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                   b"Content-Length: %d\r\n\r\n" % len(body) + body)
    wait_until(lambda: running(server) == 8, 10, "its sequences run")
    client.close()
    wait_until(lambda: running(server) == 0, 2, "they are closed")


def test_many_clients_at_once_all_end(server):
    answers = []

    def ask(index):
        answers.append(server.post("/v1/completions", {"prompt": f"client {index}", "max_tokens": 16, "ignore_eos": True, "seed": index}))

    clients = [threading.Thread(target=ask, args=(index,)) for index in range(64)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    assert len(answers) == 64
    assert all(code == 200 and answer["usage"]["completion_tokens"] == 16 for code, answer in answers)


def test_a_model_too_large_for_one_rank_is_refused_with_the_numbers_and_served_by_two(random_model, tmp_path):
    model = random_model("llama-2-7b", "--layers", "8", "--set", "hidden_size=1024", "--set", "intermediate_size=4096", "--set",
                         "num_attention_heads=16", "--set", "num_key_value_heads=16", "--set", "head_dim=64")
    refused = subprocess.run([TANDEM, "serve", model, "--memory", "850M", "--port", "0"], capture_output=True, text=True, timeout=30,
                             env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"})
    assert refused.returncode == 5, refused.stderr
    assert "does not fit" in refused.stderr and "of weights" in refused.stderr
    with serving(model, "--local", "2", "--memory", "1700M") as server:
        assert server.post("/v1/completions", {"prompt": "Hello", "max_tokens": 4})[0] == 200
