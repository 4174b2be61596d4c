"""The archive that `make dist` writes: unpacked into a root that has the C library and nothing else, it serves the demo."""

import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys
import tarfile

import pytest

from servers import ROOT, Server, is_running

VERSION = re.search(r"project\(tandem VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text()).group(1)
# What belongs to glibc: it fits the system's kernel and files, and is not packed.
C_LIBRARY = re.compile(r"^(ld-linux.*|lib(c|m|dl|rt|pthread|resolv|util))\.so")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="looks at ELF files")

# Enters the root $1 in a mount namespace of its own, with no environment, and becomes the program.
ENTER = """
mount --rbind /proc "$1/proc"
mount --rbind /dev "$1/dev"
root=$1
shift
exec env -i HOME=/home "$CHROOT" "$root" "$@"
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """An otherwise empty root with the archive unpacked in /tandem."""
    folder = tmp_path_factory.mktemp("dist")
    done = subprocess.run([ROOT / "tools/dist.sh", VERSION, folder], capture_output=True, text=True, timeout=600, cwd="/")
    assert done.returncode == 0, done.stdout + done.stderr
    [archive] = folder.glob("*.tar.gz")
    system = "macos" if sys.platform == "darwin" else "linux"
    assert archive.name == f"tandem-{VERSION}-{system}-{platform.machine()}.tar.gz"
    root = folder / "root"
    for name in ("proc", "dev", "home", "tmp"):
        (root / name).mkdir(parents=True)
    with tarfile.open(archive) as tar:
        assert {member.name.split("/")[0] for member in tar} == {archive.name.removesuffix(".tar.gz")}
        tar.extractall(root, filter="tar")
    archive.unlink()
    (root / archive.name.removesuffix(".tar.gz")).rename(root / "tandem")
    return root


def libraries_outside(root):
    """What the loader takes from elsewhere, by path."""
    programs = [root / "tandem/bin/tandem", root / "tandem/bin/tandem-stage"]
    loaded = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=True, timeout=60, env={"PATH": os.environ["PATH"]})
    assert "not found" not in loaded.stdout, loaded.stdout
    paths = {pathlib.Path(path) for path in re.findall(r"(/\S+) \(0x", loaded.stdout)}
    return {path for path in paths if not path.resolve().is_relative_to(root)}


def test_the_archive_holds_what_the_page_says(root):
    for file in ("bin/tandem", "bin/tandem-stage", "share/tandem/LICENSE", "share/tandem/demo/config.json", "share/tandem/demo/tokenizer.json"):
        assert (root / "tandem" / file).is_file(), file
    assert list((root / "tandem/lib").glob("libtorch_cpu.*"))
    assert list((root / "tandem/share/tandem/licenses").iterdir())
    assert not list((root / "tandem").rglob("*.py")), "it needs no Python"


@on_linux
def test_only_the_c_library_is_taken_from_the_system(root):
    outside = libraries_outside(root)
    assert outside and all(C_LIBRARY.match(path.name) for path in outside), outside


@on_linux
def test_libraries_are_found_beside_the_programs_alone(root):
    for file in [*(root / "tandem/bin").iterdir(), *(root / "tandem/lib").iterdir()]:
        dynamic = subprocess.run(["readelf", "-d", file], capture_output=True, text=True, check=True, timeout=60).stdout
        for path in re.findall(r"\((?:RPATH|RUNPATH)\).*\[(.*)\]", dynamic):
            assert all(part.startswith("$ORIGIN") for part in path.split(":")), f"{file.name} looks in {path}"


def test_it_is_small_enough_to_send(root):
    """libtorch's CPU library is most of it; a CUDA build, or a debug build, would show here."""
    size = sum(path.stat().st_size for path in (root / "tandem").rglob("*") if path.is_file() and not path.is_symlink())
    assert size < 700e6


def can_isolate():
    if sys.platform != "linux":
        return None
    for command in (["unshare", "-m"], ["unshare", "-rm"]):
        if shutil.which("unshare") and subprocess.run([*command, "true"], capture_output=True, timeout=20).returncode == 0:
            return command
    return None


def serve(root, home):
    """The demo over two ranks: in the root where the system lets us make one, else in place."""
    isolate = can_isolate()
    arguments = ("demo", "--local", "2")
    if isolate is None:
        return Server(*arguments, home=home, program=root / "tandem/bin/tandem", prefix=("env", "-i", f"HOME={home}"))
    for path in libraries_outside(root):
        inside = root / path.relative_to("/")
        inside.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, inside)
    chroot = shutil.which("chroot", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    prefix = (*isolate, "sh", "-ec", ENTER, "sh", root)
    return Server(*arguments, home=home, program="/tandem/bin/tandem", prefix=prefix, env={"CHROOT": chroot})


def files_mapped(pid):
    lines = pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines()
    return {pathlib.Path(line.split(None, 5)[5]) for line in lines if line.count(" /") and "/dev/" not in line}


def test_it_serves_the_demo_without_anything_else(root, tmp_path):
    server = serve(root, tmp_path)
    stages = []
    try:
        server.wait_ready()
        stages = server.stages()
        assert len(stages) == 2
        if sys.platform == "linux":
            for pid in (server.process.pid, *stages):
                strange = {p for p in files_mapped(pid) if root not in p.parents and not C_LIBRARY.match(p.name)}
                assert not {p for p in strange if ".so" in p.name or p.is_relative_to(ROOT)}, strange
        status, answer = server.post("/v1/chat/completions", {"messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 20})
        assert status == 200, answer
        assert answer["choices"][0]["message"]["content"].strip()
        assert server.stop() == 0
    finally:
        if server.process.poll() is None:
            server.kill()
    assert not any(map(is_running, stages))


def test_without_a_demo_model_nothing_is_packed(tmp_path):
    (tmp_path / "tools").mkdir()
    for name in ("dist.sh", "packages.sh"):
        shutil.copy(ROOT / "tools" / name, tmp_path / "tools")
    done = subprocess.run([tmp_path / "tools/dist.sh", VERSION], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and "tools/train_demo.py" in done.stderr
    assert not list(tmp_path.glob("*.tar.gz"))
