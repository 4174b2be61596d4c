"""Two machines on a cable: joining, slices, chosen addresses, IPv6, a cable that is pulled, strangers on every port."""

import errno
import json
import os
import pathlib
import select
import shutil
import socket
import subprocess
import sys
import threading
import time

import pytest

from namespaces import two_machines
from servers import TANDEM, Program, Server, free_port, wait_until
from test_loss import Stream, ask, make_secret

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux") or os.geteuid() != 0 or shutil.which("ip") is None,
    reason="network namespaces need Linux, root and iproute2",
)  # fmt: skip


class RemoteServer(Server):
    """`tandem serve` on a machine whose loopback is not ours."""

    def __init__(self, machine, *arguments, **options):
        self.machine = machine
        super().__init__(*arguments, prefix=machine.prefix, **options)

    def get(self, *arguments, **options):
        with self.machine.inside():
            return super().get(*arguments, **options)

    def post(self, *arguments, **options):
        with self.machine.inside():
            return super().post(*arguments, **options)


class RemoteStream(Stream):
    def run(self):
        with self.server.machine.inside():
            super().run()


class Cluster:
    """A head on the first machine, and one agent at a time on the second, each with its own home."""

    def __init__(self, machines, model, folder: pathlib.Path):
        self.here, self.there = machines
        self.folder, self.link_port = folder, free_port()
        self.secret_file = folder / "secret"
        make_secret(self.secret_file)
        for name in ("head", "worker"):
            (folder / name).mkdir()
        self.head = RemoteServer(self.here, model, "--nodes", "2", "--link-port", str(self.link_port), "--secret-file", str(self.secret_file),
                                 home=folder / "head")
        self.worker = None

    def join(self, host=None, *options):
        """Replaces the agent; the head may not be ready yet."""
        if self.worker:
            assert self.worker.stop() == 0
            wait_until(lambda: self.head.health() == 503, 10, "the head misses the machine")
        target = host or f"{self.here.ipv4}:{self.link_port}"
        self.worker = Program("join", target, "--secret-file", str(self.secret_file), *options, home=self.folder / "worker", prefix=self.there.prefix)

    def ranks(self) -> list[dict]:
        return self.head.get("/cluster")[1]["ranks"]

    def stop(self):
        for program in filter(None, (self.worker, self.head)):
            program.stop()


@pytest.fixture(scope="module")
def cluster(random_model, tmp_path_factory):
    """The two machines, ready to answer."""
    with two_machines() as machines:
        cluster = Cluster(machines, random_model("tiny-llama"), tmp_path_factory.mktemp("machines"))
        try:
            cluster.join()
            cluster.head.wait_ready(60)
            yield cluster
        finally:
            cluster.stop()


def text_of(cluster) -> str:
    status, answer = ask(cluster.head)
    assert status == 200, answer
    return answer["choices"][0]["text"]


def test_a_machine_without_model_files_is_sent_its_slice_and_status_shows_the_way(cluster):
    assert text_of(cluster)
    assert "(streamed)" in cluster.head.output
    with cluster.here.inside():
        shown = subprocess.run([TANDEM, "status", "--url", cluster.head.url], capture_output=True, text=True, timeout=20)
    assert shown.returncode == 0, shown.stdout
    rows = [line.split() for line in shown.stdout.splitlines() if line[:4].strip().isdigit()]
    assert [(row[0], row[2], row[3]) for row in rows] == [("0", "10.77.0.1", "cable"), ("1", "10.77.0.2", "cable")], shown.stdout


def test_doctor_finds_the_way_to_the_head_sound(cluster):
    command = [*cluster.there.prefix, TANDEM, "doctor", f"{cluster.here.ipv4}:{cluster.link_port}", "--secret-file", cluster.secret_file]
    report = subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, "HOME": str(cluster.folder / "worker")})
    assert report.returncode == 0, report.stdout
    assert "10.77.0.2 (cable) to 10.77.0.1" in report.stdout
    assert report.stdout.count("PASS  data port") == 2, report.stdout


class Strangers(threading.Thread):
    """Connects from one machine to every listening port of another but the API's, with garbage, until 1,000 have tried each."""

    def __init__(self, source, target, spare: set[int]):
        super().__init__(daemon=True)
        self.source, self.target, self.spare = source, target, spare
        self.tries: dict[int, int] = {}
        self.stopping = threading.Event()
        self.start()

    def run(self):
        while not self.stopping.is_set():
            ports = [port for port in self.target.listening_ports(self.target.ipv4) - self.spare if self.tries.get(port, 0) < 1000]
            with self.source.inside():
                for port in ports:
                    self.visit(port, 100)
            if not ports:
                self.stopping.wait(0.02)

    def visit(self, port: int, count: int):
        visitors = []
        for _ in range(count):
            visitor = socket.socket()
            visitor.setblocking(False)
            if visitor.connect_ex((self.target.ipv4, port)) in (0, errno.EINPROGRESS):
                visitors.append(visitor)
        # Some get through and talk; to the others the port does not answer, and they leave.
        _, writable, _ = select.select([], visitors, [], 0.1)
        for visitor in writable:
            if visitor.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0:
                visitor.send(os.urandom(200))
        for visitor in visitors:
            visitor.close()
        self.tries[port] = self.tries.get(port, 0) + count

    def stop(self):
        self.stopping.set()
        self.join(20)
        assert not self.is_alive()


def test_strangers_on_every_port_end_no_stage_while_it_forms_or_after(cluster):
    before, head_stages = text_of(cluster), cluster.head.stages()
    api = {cluster.head.port}
    crowds = [Strangers(cluster.there, cluster.here, api), Strangers(cluster.here, cluster.there, set())]
    try:
        cluster.join()
        cluster.head.wait_ready(30)
        generation = cluster.head.get("/cluster")[1]["generation"]
        stages = cluster.head.stages() + cluster.worker.stages()
        gloo_ports = cluster.there.listening_ports(cluster.there.ipv4)
        assert gloo_ports, "the worker's stage listens"
        wait_until(lambda: all(crowds[1].tries.get(port, 0) >= 1000 for port in gloo_ports), 30, "1,000 have tried the worker's port")
        wait_until(lambda: crowds[0].tries.get(cluster.link_port, 0) >= 1000, 30, "1,000 have tried the join port")
    finally:
        for crowd in crowds:
            crowd.stop()
    assert len(crowds[0].tries) >= 2, "the head's stage was tried as well"
    assert text_of(cluster) == before
    assert cluster.head.stages() == head_stages, "the survivor kept its process while the other machine left and came"
    assert cluster.head.stages() + cluster.worker.stages() == stages
    assert cluster.head.get("/cluster")[1]["generation"] == generation
    assert cluster.head.output.count("(cache)") == 1, "the second start found the slice in the worker's cache"


def test_a_pulled_cable_is_seen_and_mends_itself(cluster):
    before, generation = text_of(cluster), cluster.head.get("/cluster")[1]["generation"]
    stream = RemoteStream(cluster.head)
    assert stream.started.wait(20)
    cluster.there.disconnect()
    pulled_at = time.monotonic()
    stream.join(8)
    assert time.monotonic() - pulled_at < 5, "silence is seen within 5 s"
    assert "rank 1" in json.loads(stream.lines[-1])["error"]["message"], stream.lines[-1]
    assert b"[DONE]" not in stream.lines
    status, answer = cluster.head.get("/health")
    assert status == 503 and "rank 1" in json.dumps(answer), answer
    cluster.there.connect()
    cluster.head.wait_ready(30)
    assert cluster.head.get("/cluster")[1]["generation"] > generation
    assert text_of(cluster) == before


def test_the_address_that_is_asked_for_is_taken(cluster):
    cluster.there.ip("address", "add", "10.77.0.22/24", "dev", "cable")
    cluster.join(None, "--address", "10.77.0.22")
    cluster.head.wait_ready(30)
    assert cluster.ranks()[1]["address"] == "10.77.0.22"
    cluster.join(None, "--address", "cable")
    cluster.head.wait_ready(30)
    assert (cluster.ranks()[1]["address"], cluster.ranks()[1]["interface"]) == ("10.77.0.2", "cable")


def test_machines_join_by_ipv6(cluster):
    before = text_of(cluster)
    cluster.join(f"[{cluster.here.ipv6}]:{cluster.link_port}")
    cluster.head.wait_ready(30)
    assert [rank["address"] for rank in cluster.ranks()] == ["fd00:77::1", "fd00:77::2"]
    assert text_of(cluster) == before
