"""What a lost stage, agent or machine does: the head stays up, says why, and the cluster forms again by itself."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request

import pytest

from servers import BUILD, TANDEM, Program, free_port, is_running, serving, wait_until


def ask(server, max_tokens=4):
    return server.post("/v1/completions", {"prompt": "Hello", "max_tokens": max_tokens, "temperature": 0, "ignore_eos": True})


def ready_again(server, after_generation: int, seconds: float):
    def has_formed():
        status = server.get("/cluster")[1]
        return status["state"] == "ready" and status["generation"] > after_generation

    wait_until(has_formed, seconds, "the cluster has formed again")


class Stream(threading.Thread):
    """Reads a streamed completion to its end."""

    def __init__(self, server, max_tokens=450):
        super().__init__(daemon=True)
        self.server, self.max_tokens = server, max_tokens
        self.lines, self.started = [], threading.Event()
        self.start()

    def run(self):
        body = {"prompt": "Hello", "max_tokens": self.max_tokens, "ignore_eos": True, "stream": True}
        request = urllib.request.Request(self.server.url + "/v1/completions", json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            for line in answer:
                if line.startswith(b"data: "):
                    self.lines.append(line[6:].strip())
                    self.started.set()


@pytest.fixture(scope="module")
def server(random_model):
    with serving(random_model("tiny-llama"), "--local", "2") as server:
        yield server


@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_stage_ends_streams_with_an_error_and_is_replaced(server, victim):
    generation = server.get("/cluster")[1]["generation"]
    before = ask(server)[1]["choices"][0]["text"]
    stream = Stream(server)
    assert stream.started.wait(20)
    stages = sorted(server.stages())
    survivor = stages[1 - victim]
    killed_at = time.monotonic()
    os.kill(stages[victim], signal.SIGKILL)
    stream.join(10)
    assert time.monotonic() - killed_at < 1, "a kill is seen within a second"
    last = json.loads(stream.lines[-1])
    assert "lost" in last["error"]["message"] or "is missing" in last["error"]["message"], last
    assert b"[DONE]" not in stream.lines
    ready_again(server, generation, 20)
    assert ask(server)[1]["choices"][0]["text"] == before
    assert survivor in server.stages(), "the survivor kept its process, and so its weights"


def test_a_stopped_stage_is_found_by_its_silence_and_replaced(server):
    generation = server.get("/cluster")[1]["generation"]
    stage = server.stages()[-1]
    os.kill(stage, signal.SIGSTOP)
    stopped_at = time.monotonic()
    wait_until(lambda: server.get("/cluster")[1]["state"] != "ready" or server.get("/cluster")[1]["generation"] > generation, 6, "the silence is seen")
    assert time.monotonic() - stopped_at < 5
    ready_again(server, generation, 20)
    wait_until(lambda: not is_running(stage), 5, "the stopped stage has been ended")
    assert ask(server)[0] == 200


def test_health_says_who_is_missing_while_a_stage_cannot_come_back(random_model):
    with tempfile.TemporaryDirectory() as folder:
        # A stage program that works once for each rank and is missing afterwards.
        program = pathlib.Path(folder) / "tandem-stage"
        program.symlink_to(BUILD / "bin" / "tandem-stage")
        with serving(random_model("tiny-llama"), "--local", "2", env={"TANDEM_STAGE": str(program)}) as server:
            program.unlink()
            os.kill(server.stages()[0], signal.SIGKILL)
            wait_until(lambda: server.health() == 503, 5, "health answers 503")
            wait_until(lambda: "stays down" in json.dumps(server.get("/health")[1]), 20, "the reason is told")
            code, answer = ask(server)
            assert code == 503 and "rank" in answer["error"]["message"], answer
            request = urllib.request.Request(server.url + "/health")
            with pytest.raises(urllib.error.HTTPError) as error:
                urllib.request.urlopen(request, timeout=5)
            assert int(error.value.headers["Retry-After"]) >= 1


def test_sigterm_drains_and_leaves_no_process(random_model):
    with serving(random_model("tiny-llama"), "--local", "3") as server:
        stages = server.stages()
        assert len(stages) == 3
        stream = Stream(server, max_tokens=60)
        assert stream.started.wait(20)
        assert server.stop() == 0
        stream.join(5)
        assert stream.lines[-1] == b"[DONE]", "the answer in flight was finished"
        wait_until(lambda: not any(map(is_running, stages)), 5, "all stages have ended")


def test_stages_end_with_a_killed_head(random_model):
    with serving(random_model("tiny-llama"), "--local", "2") as server:
        stages = server.stages()
        os.kill(stages[0], signal.SIGSTOP)
        server.kill()
        wait_until(lambda: not any(map(is_running, stages)), 5, "no orphan is left, stopped ones included")


class Pair:
    """A head for two machines and one that joins it, both here, with homes of their own and one secret."""

    def __init__(self, model, tmp_path):
        self.model, self.tmp_path, self.link_port = model, tmp_path, free_port()
        self.secret_file = tmp_path / "secret"
        make_secret(self.secret_file)

    def serve(self):
        return serving(self.model, "--nodes", "2", "--link-port", str(self.link_port), "--secret-file", str(self.secret_file), ready=False)

    def join(self, name="worker", secret_file=None):
        home = self.tmp_path / name
        home.mkdir(exist_ok=True)
        return Program("join", f"127.0.0.1:{self.link_port}", "--secret-file", secret_file or self.secret_file, home=home)


def make_secret(path):
    subprocess.run([TANDEM, "secret", "--secret-file", path], check=True, capture_output=True)


@pytest.fixture
def pair(random_model, tmp_path):
    """The pair, ready."""
    pair = Pair(random_model("tiny-llama"), tmp_path)
    with pair.serve() as pair.head:
        pair.worker = pair.join()
        try:
            pair.head.wait_ready()
            yield pair
        finally:
            pair.worker.stop()


def test_a_machine_whose_agent_died_takes_its_rank_back(pair):
    before = ask(pair.head)[1]["choices"][0]["text"]
    orphans = pair.worker.stages()
    pair.worker.kill()
    wait_until(lambda: pair.head.health() == 503, 5, "the head misses the machine")
    assert "is missing" in pair.head.get("/health")[1]["error"]["message"]
    wait_until(lambda: not any(map(is_running, orphans)), 5, "the dead agent's stage has exited")
    pair.worker = pair.join()
    pair.head.wait_ready(30)
    assert ask(pair.head)[1]["choices"][0]["text"] == before
    assert "(cache)" in pair.head.output, "the slice was kept on the worker"


def test_an_agent_joins_again_when_its_head_comes_back(pair):
    stages = pair.worker.stages()
    pair.head.kill()
    wait_until(lambda: not any(map(is_running, stages)), 10, "the worker's stages end with the head")
    with pair.serve() as again:
        again.wait_ready(30)
        assert ask(again)[0] == 200
    assert pair.worker.process.poll() is None


def test_a_wrong_secret_is_refused_on_both_sides_and_harms_nobody(pair):
    other = pair.tmp_path / "other-secret"
    make_secret(other)
    stranger = pair.join("stranger", secret_file=other)
    assert stranger.process.wait(10) == 4, stranger.output
    assert "the secrets differ" in stranger.output
    wait_until(lambda: "wrong secret" in pair.head.output, 3, "the head says so as well")
    assert ask(pair.head)[0] == 200
    assert pair.head.get("/cluster")[1]["generation"] == 1


def test_strangers_with_garbage_end_nothing(pair):
    for index in range(300):
        with socket.socket() as stranger:
            stranger.settimeout(2)
            stranger.connect(("127.0.0.1", pair.link_port))
            if index % 2:
                stranger.send(os.urandom(200))
    assert ask(pair.head)[0] == 200
    assert pair.head.get("/cluster")[1]["generation"] == 1
