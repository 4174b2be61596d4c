"""launch_pytorch_api.sh, the command of the old setup, with an ssh that is not one: it runs the command here in another home."""

import os
import pathlib
import shutil
import signal
import subprocess
import time

import pytest

from servers import BUILD, ROOT, Server, children_of, free_port, is_running, wait_until

SSH = """#!/bin/sh
# As sshd would: a home of the machine's own, the command given to a shell, the connection's ends in a variable.
host=$1
shift
echo "$host $*" >> "$STUB_FOLDER/calls"
mkdir -p "$STUB_FOLDER/$host"
cd "$STUB_FOLDER/$host" || exit 1
exec env -u XDG_CONFIG_HOME -u XDG_CACHE_HOME HOME="$STUB_FOLDER/$host" SSH_CONNECTION="127.0.0.1 50001 127.0.0.2 22" sh -c "$*"
"""


def descendants(pid: int) -> list[int]:
    found = children_of(pid)
    return found + [below for child in found for below in descendants(child)]


def command_line(pid: int) -> str:
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except (FileNotFoundError, ProcessLookupError):
        return ""


class Launch(Server):
    """The script in a checkout of its own whose path has a blank and a quote."""

    def __init__(self, folder: pathlib.Path, model: pathlib.Path | str, workers="", cwd=None, tandem_dir=None):
        self.checkout, self.machines = folder / "it's a checkout", folder / "machines"
        self.home, self.log = folder / "home", folder / "log"
        for path in (self.checkout, self.machines, self.home, folder / "bin"):
            path.mkdir(exist_ok=True)
        shutil.copy(ROOT / "launch_pytorch_api.sh", self.checkout)
        (self.checkout / "build").symlink_to(BUILD)
        (folder / "bin" / "ssh").write_text(SSH)
        (folder / "bin" / "ssh").chmod(0o755)
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "TANDEM_", "MASTER_")) and name not in ("RANK", "WORLD_SIZE")
        }  # fmt: skip
        environment |= {"HOME": str(self.home), "PATH": f"{folder / 'bin'}:{environment['PATH']}", "STUB_FOLDER": str(self.machines),
                        "MODEL_NAME": str(model), "WORKERS": workers, "TANDEM_BUILD": str(BUILD)}  # fmt: skip
        if tandem_dir:
            environment["TANDEM_DIR"] = str(tandem_dir)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        options = ["--port", str(self.port), "--link-port", str(free_port())]
        self.process = subprocess.Popen([self.checkout / "launch_pytorch_api.sh", *options], cwd=cwd, stdin=subprocess.DEVNULL,
                                        stdout=open(self.log, "wb"), stderr=subprocess.STDOUT, env=environment)

    def everyone(self) -> list[int]:
        return [self.process.pid, *descendants(self.process.pid)]

    def workers(self) -> list[int]:
        return [pid for pid in self.everyone() if " join 127.0.0.1:" in command_line(pid) and "--secret-stdin" in command_line(pid)]


@pytest.fixture
def launch(tmp_path):
    launched = []

    def start(*arguments, **options):
        launched.append(Launch(tmp_path, *arguments, **options))
        return launched[-1]

    yield start
    for one in launched:
        everyone = one.everyone()
        if one.process.poll() is None:
            one.stop()
        wait_until(lambda: not any(map(is_running, everyone)), 10, "nothing is left running")


def test_without_workers_one_rank_serves_and_the_log_has_its_old_name(launch, random_model):
    model = random_model("tiny-phi", "--set", "max_position_embeddings=512")
    script = launch(model.name, cwd=model.parent).wait_ready(60)
    assert script.get("/cluster")[1]["ranks"][0]["rank"] == 0 and len(script.get("/cluster")[1]["ranks"]) == 1
    assert "no WORKERS: one rank on this machine" in script.output
    assert list(script.checkout.glob("logs/api_master_*.log"))
    assert not (script.machines / "calls").exists(), "no ssh"
    assert script.stop() == 0


def test_workers_join_over_ssh_and_the_secret_is_on_no_command_line(launch, random_model):
    script = launch(random_model("tiny-llama"), workers="mini2 mini3")
    seen = set()

    def is_ready():
        assert script.process.poll() is None, script.output
        seen.update(map(command_line, script.everyone()))
        return script.health() == 200

    wait_until(is_ready, 60, f"three machines serve; the log:\n{script.output}")
    secret = (script.home / ".config/tandem/secret").read_text().strip()
    assert len(secret) > 25 and not any(secret in line or secret.replace("-", "") in line for line in seen)
    assert len(script.get("/cluster")[1]["ranks"]) == 3
    assert sorted(line.split()[0] for line in (script.machines / "calls").read_text().splitlines() if line.startswith("mini")) == ["mini2", "mini3"]
    assert len(list(script.checkout.glob("logs/api_master_*.log"))) == 1
    wait_until(lambda: {log.name.split("_")[1] for log in script.checkout.glob("logs/worker_[0-9]_*.log")} == {"0", "1", "2"}, 5, "a log for each rank")
    for machine in ("mini2", "mini3"):
        assert not (script.machines / machine / ".config").exists(), "the secret stays in memory there"
    everyone = script.everyone()
    assert script.stop() == 0
    wait_until(lambda: not any(map(is_running, everyone)), 10, "the workers end with the script")
    assert "ended with status" not in script.output, script.output


def test_tandem_dir_names_the_folder_on_the_workers(launch, random_model, tmp_path):
    there = tmp_path / "machines" / "mini2" / "tandem there"
    there.mkdir(parents=True)
    (there / "build").symlink_to(BUILD)
    script = launch(random_model("tiny-llama"), workers="mini2", tandem_dir="~/tandem there").wait_ready(60)
    assert list(there.glob("logs/worker_1_*.log")) and not list(script.checkout.glob("logs/worker_1_*.log"))


def test_workers_end_when_the_script_is_killed(launch, random_model):
    script = launch(random_model("tiny-llama"), workers="mini2").wait_ready(60)
    everyone = script.everyone()
    assert script.workers()
    script.process.send_signal(signal.SIGKILL)
    script.process.wait()
    killed_at = time.monotonic()
    wait_until(lambda: not any(map(is_running, everyone)), 10, "server, stages and workers have ended")
    assert time.monotonic() - killed_at < 8


def test_a_folder_that_is_not_there_ends_with_serves_answer(launch):
    script = launch("/nonexistent/model", workers="mini2")
    assert script.process.wait(30) == 3, script.output
    assert "fetching" not in script.output and "/nonexistent/model" in script.output


def test_a_model_that_is_missing_is_fetched_with_the_checkouts_hf(launch, tmp_path):
    hf = tmp_path / "it's a checkout" / ".venv" / "bin" / "hf"
    hf.parent.mkdir(parents=True)
    hf.write_text("#!/bin/sh\necho \"asked for: $*\"\n")
    hf.chmod(0o755)
    script = launch("org/a-model")
    assert script.process.wait(30) == 3, "the stub fetches nothing, so serve finds nothing"
    assert "asked for: download org/a-model --exclude" in script.output
