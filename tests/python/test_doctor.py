"""`tandem doctor`: looks at this machine, and over the loopback at a running head; exit 0 without FAIL, else 4."""

import json
import os
import socket
import subprocess

import pytest

from servers import TANDEM, free_port, serving, wait_until


def make_secret(path):
    subprocess.run([TANDEM, "secret", "--secret-file", path], check=True, capture_output=True)


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def doctor(*arguments, home, env=None, text=False):
    """(exit code, {check: (result, detail, fix)}); of several checks with one name the last."""
    environment = {**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "XDG_CONFIG_HOME": str(home / "config")}
    environment.pop("TANDEM_SECRET", None)
    environment.update(env or {})
    ports = ("--port", str(free_port()), "--link-port", str(free_port()))
    command = [TANDEM, "doctor", *map(str, arguments), *ports, *(() if text else ("--json",))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    if text:
        return done.returncode, done.stdout
    report = json.loads(done.stdout)
    assert report["ok"] == (done.returncode == 0), done.stdout
    return done.returncode, {check["name"]: (check["result"], check["detail"], check["fix"]) for check in report["checks"]}


@pytest.fixture(scope="module")
def head(random_model, tmp_path_factory):
    """A head that waits for a second machine: a doctor may come before anything is ready."""
    secret, port = tmp_path_factory.mktemp("doctor") / "secret", free_port()
    make_secret(secret)
    with serving(random_model("tiny-llama"), "--nodes", "2", "--link-port", str(port), "--secret-file", str(secret), ready=False) as server:
        wait_until(lambda: listens(port) and server.health() != 0, 60, "the head listens")
        server.link_port, server.secret_file = port, secret
        yield server


def test_this_machine_alone_is_well_and_stays_as_it_was(tmp_path):
    code, checks = doctor(home=tmp_path)
    assert code == 0, checks
    assert checks["versions"][0] == "PASS" and "torch" in checks["versions"][1]
    assert checks["secret"][0] == "WARN" and "serve" in checks["secret"][2], "none yet"
    assert checks["API port"][0] == checks["link port"][0] == checks["cache"][0] == "PASS"
    assert "127.0.0.1 (lo" in checks["addresses"][1]
    assert list(tmp_path.iterdir()) == [], "no secret, no cache folder was made"


def test_a_head_over_the_loopback_passes(head, tmp_path):
    code, checks = doctor(f"127.0.0.1:{head.link_port}", "--secret-file", head.secret_file, home=tmp_path)
    assert code == 0, checks
    assert {name for name, (result, _, _) in checks.items() if result == "WARN"} <= {"resolve", "throughput", "memory", "addresses", "cache", "round trip"}
    assert "127.0.0.1 (lo" in checks["route"][1]
    assert "50 echoes" in checks["round trip"][1] and "p99" in checks["round trip"][1]
    assert "MB/s from" in checks["throughput"][1]
    assert "to this machine, 127.0.0.1 port" in checks["data port"][1]
    code, text = doctor(f"127.0.0.1:{head.link_port}", "--secret-file", head.secret_file, home=tmp_path, text=True)
    assert code == 0 and text.count("PASS  data port") == 2 and text.count("MB/s") == 2, text


def test_a_wrong_secret_fails_with_the_command_that_mends_it(head, tmp_path):
    other = tmp_path / "other-secret"
    make_secret(other)
    code, checks = doctor(f"127.0.0.1:{head.link_port}", "--secret-file", other, home=tmp_path)
    assert code == 4
    assert checks["secret"][0] == "FAIL" and "secrets differ" in checks["secret"][1] and "tandem secret" in checks["secret"][2]
    assert "tandem head" in checks["link port"][1], "it is the secret and not the port"


def test_nothing_listening_fails_with_what_to_start(tmp_path):
    secret, port = tmp_path / "secret", free_port()
    make_secret(secret)
    code, checks = doctor(f"127.0.0.1:{port}", "--secret-file", secret, home=tmp_path)
    assert code == 4
    assert checks["link port"][0] == "FAIL" and "refused" in checks["link port"][1] and "tandem serve" in checks["link port"][2]


def test_a_head_without_a_secret_here_or_with_an_unknown_name_fails(tmp_path):
    code, checks = doctor("127.0.0.1:1", home=tmp_path)
    assert code == 4 and checks["secret"][0] == "FAIL" and "tandem join 127.0.0.1:1" in checks["secret"][2]
    make_secret(tmp_path / "secret")
    code, checks = doctor("no-such-machine.invalid", "--secret-file", tmp_path / "secret", home=tmp_path)
    assert code == 4 and checks["resolve"][0] == "FAIL" and "no-such-machine" in checks["resolve"][1]


def test_a_readable_secret_and_a_foreign_stage_fail(tmp_path):
    secret, stage = tmp_path / "secret", tmp_path / "stage"
    make_secret(secret)
    secret.chmod(0o644)
    stage.write_text("#!/bin/sh\necho tandem-stage 0.0.1, torch 2.13.0, gloo-tcp\n")
    stage.chmod(0o755)
    code, checks = doctor("--secret-file", secret, home=tmp_path, env={"TANDEM_STAGE": str(stage)})
    assert code == 4
    assert checks["secret"][0] == "FAIL" and "chmod 600" in checks["secret"][1]
    assert checks["versions"][0] == "FAIL" and "0.0.1" in checks["versions"][1]


def test_a_running_server_is_known_by_its_ports(head, tmp_path):
    done = subprocess.run([TANDEM, "doctor", "--json", "--port", str(head.port), "--link-port", str(head.link_port), "--secret-file", head.secret_file],
                          capture_output=True, text=True, timeout=60, env={**os.environ, "HOME": str(tmp_path)})
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert "tandem 0" in checks["API port"]["detail"] and checks["link port"]["detail"].endswith("a tandem head is there")
