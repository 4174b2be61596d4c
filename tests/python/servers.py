"""Starts and stops `tandem` programs for tests: free ports, deadlines, private homes, nothing left behind."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("TANDEM_BUILD", ROOT / "build"))
TANDEM = BUILD / "bin" / "tandem"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def children_of(pid: int) -> list[int]:
    """Direct children, from /proc."""
    path = pathlib.Path(f"/proc/{pid}/task")
    found = []
    with contextlib.suppress(FileNotFoundError):
        for task in path.iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                found += [int(child) for child in (task / "children").read_text().split()]
    return found


def is_running(pid: int) -> bool:
    """False for a process that has ended, also when nobody has reaped it."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(condition, seconds: float, what: str):
    """The condition's first true value; fails the test with `what` at the deadline."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s: {what}")


class Program:
    """One `tandem` process with a home of its own and its stderr in a file."""

    def __init__(self, *arguments: str, home: pathlib.Path, env: dict | None = None, stdin=subprocess.DEVNULL, prefix=(),
                 program: pathlib.Path = TANDEM):
        self.home = home
        self.log = home / f"log-{time.monotonic_ns()}.txt"
        environment = {**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "XDG_CONFIG_HOME": str(home / "config")}
        for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "MODEL_NAME", "TANDEM_API_KEY"):
            environment.pop(name, None)
        environment.update(env or {})
        self.process = subprocess.Popen([*prefix, str(program), *map(str, arguments)], stdin=stdin, stdout=subprocess.PIPE,
                                        stderr=open(self.log, "wb"), env=environment)

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def stages(self) -> list[int]:
        return [pid for pid in children_of(self.process.pid) if is_running(pid)]

    def stop(self, seconds: float = 40) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"did not end within {seconds} s of SIGTERM:\n{self.output}")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Server(Program):
    """`tandem serve`, with its API on a free port."""

    def __init__(self, *arguments: str, home: pathlib.Path, **options):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        super().__init__("serve", *arguments, "--port", str(self.port), home=home, **options)

    def get(self, path: str, timeout: float = 10) -> tuple[int, dict]:
        try:
            with urllib.request.urlopen(self.url + path, timeout=timeout) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def post(self, path: str, body, timeout: float = 120) -> tuple[int, dict]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def health(self) -> int:
        try:
            return self.get("/health")[0]
        except OSError:
            return 0

    def wait_ready(self, seconds: float = 120) -> "Server":
        def is_ready():
            assert self.process.poll() is None, f"ended with {self.process.returncode}:\n{self.output}"
            return self.health() == 200

        wait_until(is_ready, seconds, f"the server is ready; its log:\n{self.output}")
        return self


@contextlib.contextmanager
def serving(*arguments: str, ready: bool = True, seconds: float = 120, **options):
    """A server in a home of its own; afterwards no process of it is left."""
    with tempfile.TemporaryDirectory(prefix="tandem-test-") as home:
        server = Server(*arguments, home=pathlib.Path(home), **options)
        try:
            yield server.wait_ready(seconds) if ready else server
        finally:
            stages = server.stages()
            if server.process.poll() is None:
                server.stop()
            wait_until(lambda: not any(map(is_running, stages)), 5, "all stages have ended")
