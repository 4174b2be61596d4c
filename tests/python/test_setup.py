"""What `make demo` and `make test` install: the choices of tools/packages.sh, with stubs for pip, Python, dpkg and Homebrew."""

import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TORCH = "2.13.0"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"


class Shell:
    """Runs functions of packages.sh, with stub programs in a folder that is all of PATH but for the plainest tools."""

    TOOLS = ("awk", "bash", "cat", "grep", "id", "sed", "uname", "touch", "env", "mkdir", "dirname", "cksum", "tr", "rm")

    def __init__(self, folder):
        self.folder = folder
        self.bin = folder / "bin"
        self.headers = folder / "include"
        self.bin.mkdir()
        self.headers.mkdir()
        for tool in self.TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool))

    def stub(self, name, script):
        path = self.bin / name
        path.unlink(missing_ok=True)
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(0o755)
        return path

    def header(self, name, text=""):
        path = self.headers / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run(self, code, script="tools/packages.sh", **env):
        code = f"set -euo pipefail; source {ROOT}/{script}; HEADER_FOLDERS={self.headers}; {code}"
        environment = {"PATH": str(self.bin), "HOME": str(self.folder), **env}
        return subprocess.run(["/bin/bash", "-c", code], cwd=self.folder, env=environment, capture_output=True, text=True, timeout=30)

    def output(self, code, **env):
        done = self.run(code, **env)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture
def shell(tmp_path):
    return Shell(tmp_path)


@pytest.fixture
def pip(shell):
    """A pip that writes down how it was called, and a Python whose torch is what STUB_TORCH says."""
    shell.stub("pip", 'echo "$*" >> calls')
    shell.stub("python", 'echo "$STUB_TORCH"')

    def install(system, machine, built, **env):
        code = f'requirement=$(torch_requirement {system} {machine}); install_torch "$requirement"'
        done = shell.run(code, PIP="pip", PYTHON="python", STUB_TORCH=built, **env)
        calls = shell.folder / "calls"
        lines = calls.read_text().splitlines() if calls.exists() else []
        return done, [line for line in lines if line.startswith("install")], lines

    return install


CPU, CUDA, MAC = f"{TORCH}+cpu none", f"{TORCH}+cu130 13.0", f"{TORCH} none"


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_linux_takes_the_cpu_build_from_pytorch_s_index(pip, machine):
    done, installs, _ = pip("Linux", machine, CPU)
    assert done.returncode == 0, done.stderr
    assert len(installs) == 2 and "--no-deps" in installs[0]
    assert "index-url" not in installs[1], "what torch needs comes from the usual index"
    words = installs[0].split()
    assert f"torch=={TORCH}+cpu" in words
    assert words[words.index("--extra-index-url") + 1] == CPU_INDEX
    assert "--index-url" not in words  # the usual index, or a mirror that the user has set, stays
    assert not any("torchvision" in word or "torchaudio" in word for word in words)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_another_index_may_be_given(pip, machine):
    done, installs, _ = pip("Linux", machine, CPU, TORCH_INDEX_URL="https://mirror.example/cpu")
    assert done.returncode == 0, done.stderr
    words = installs[0].split()
    assert words[words.index("--extra-index-url") + 1] == "https://mirror.example/cpu"
    assert CPU_INDEX not in words


@pytest.mark.parametrize("index", [{}, {"TORCH_INDEX_URL": "https://mirror.example/cpu"}])
def test_macos_takes_the_plain_wheel(pip, index):
    done, installs, _ = pip("Darwin", "arm64", MAC, **index)
    assert done.returncode == 0, done.stderr
    words = installs[0].split()
    assert f"torch=={TORCH}" in words and "--extra-index-url" not in words


@pytest.mark.parametrize("built", [CUDA, f"{TORCH} 13.0"])
def test_linux_accepts_only_a_cpu_build(pip, built):
    done, _, _ = pip("Linux", "x86_64", built)
    assert done.returncode != 0
    assert built in done.stderr and "only a CPU build is wanted" in done.stderr


def test_a_torch_that_cannot_be_imported_is_not_accepted(shell):
    shell.stub("python", "echo no module named torch >&2; exit 1")
    assert shell.run(f"accept_torch torch=={TORCH}+cpu", PYTHON="python").returncode != 0


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_cuda_is_taken_when_asked_for(pip, machine):
    done, installs, calls = pip("Linux", machine, CUDA, TANDEM_CUDA="1")
    assert done.returncode == 0, done.stderr
    words = installs[0].split()
    assert f"torch=={TORCH}" in words and "--extra-index-url" not in words
    # pip counts 2.13.0+cpu as 2.13.0 and would keep it.
    assert calls[0].startswith("uninstall") and calls[0].endswith("torch")


def test_a_cpu_build_is_not_accepted_as_cuda(pip):
    done, _, _ = pip("Linux", "x86_64", CPU, TANDEM_CUDA="1")
    assert done.returncode != 0 and "a CPU build" in done.stderr


def test_cuda_without_the_toolkit_is_refused_before_anything_is_installed(shell):
    cuda = {"TANDEM_CUDA": "1", "CUDA_HOME": str(shell.folder / "cuda")}
    done = shell.run("check_cuda_toolkit", **cuda)
    assert done.returncode != 0 and "nvcc" in done.stderr
    assert shell.run("check_cuda_toolkit").returncode == 0
    shell.stub("nvcc", "")
    assert shell.run("check_cuda_toolkit", **cuda).returncode == 0


@pytest.mark.parametrize(
    "wanted, present, holds",
    [
        ("3.25", "3.25", True), ("3.25", "3.25.1", True), ("3.25", "3.31.6", True), ("3.25", "4.0.2", True),
        ("3.25", "3.9", False), ("3.25", "3.24.99", False), ("3.25", "2.99", False), ("3.25", "0", False),
        ("3.25.2", "3.25.1", False), ("3.25.2", "3.25", False),
    ],
)  # fmt: skip
def test_versions_compare_by_number(shell, wanted, present, holds):
    assert (shell.run(f"version_at_least {wanted} {present}").returncode == 0) == holds


@pytest.mark.parametrize(
    "cmake, ninja, wanted",
    [
        ("3.25.1", True, ""), ("4.1.0-rc2", True, ""), ("3.22.1", True, "cmake>=3.25"), (None, True, "cmake>=3.25"),
        ("3.28.3", False, "ninja"), (None, False, "cmake>=3.25 ninja"),
    ],
)  # fmt: skip
def test_old_or_absent_build_tools_come_from_pypi(shell, cmake, ninja, wanted):
    if cmake:
        shell.stub("cmake", f"echo cmake version {cmake}; echo; echo CMake suite")
    if ninja:
        shell.stub("ninja", "")
    assert shell.output("build_tools_wanted") == wanted


def test_build_tools_of_the_environment_are_kept(shell):
    (shell.folder / ".venv/bin").mkdir(parents=True)
    shell.stub("cmake", "echo cmake version 3.22.1")
    for name in ("cmake", "ninja"):
        shutil.copy(shell.stub(f"new-{name}", "echo cmake version 4.1.0"), shell.folder / ".venv/bin" / name)
    assert shell.output("build_tools_wanted") == ""


def everything_but(shell, *absent):
    """Stubs of every program, so that only packages are left to ask for."""
    for name in ("c++", "make", "cmake", "ninja", "ccache", "pkg-config", "python3", "curl", "jq", "npm", "node"):
        if name not in absent:
            shell.stub(name, "")


DEBIAN_HEADERS = {
    "nlohmann-json3-dev": "nlohmann/json.hpp", "libspdlog-dev": "spdlog/spdlog.h", "libcli11-dev": "CLI/CLI.hpp",
    "libpcre2-dev": "pcre2.h", "libutf8proc-dev": "utf8proc.h", "libssl-dev": "openssl/ssl.h",
}  # fmt: skip


def boost(shell, version):
    shell.header("boost/version.hpp", f"//  comment\n#define BOOST_VERSION {version}\n")
    shell.header("boost/beast.hpp")


def test_debian_misses_what_dpkg_does_not_have(shell):
    everything_but(shell, "ccache", "python3")
    installed = " ".join(set(DEBIAN_HEADERS) - {"libspdlog-dev"})
    shell.stub("dpkg-query", f'for package in {installed}; do [ "$package" = "$3" ] && echo "ii " && exit; done; exit 1')
    missing = shell.output("missing_system_packages debian 0").split()
    assert missing == ["ccache", "python3", "python3-venv", "libboost-dev", "libspdlog-dev"]


def test_a_removed_package_is_missing(shell):
    everything_but(shell)
    boost(shell, 108100)
    shell.stub("dpkg-query", '[ "$3" = libssl-dev ] && echo "rc " || echo "ii "')
    assert shell.output("missing_system_packages debian 0") == "libssl-dev"


def test_the_tests_need_more(shell):
    everything_but(shell, "jq", "npm")
    boost(shell, 108100)
    shell.stub("dpkg-query", 'case "$3" in libg*|jq|npm) exit 1;; *) echo "ii ";; esac')
    assert shell.output("missing_system_packages debian 0") == ""
    assert shell.output("missing_system_packages debian 1").split() == ["libgtest-dev", "libgmock-dev", "jq", "npm"]


@pytest.mark.parametrize("version, missing", [(107300, "libboost-dev"), (107400, ""), (108100, ""), (108900, "")])
def test_any_boost_from_1_74_on_will_do(shell, version, missing):
    everything_but(shell)
    boost(shell, version)
    shell.stub("dpkg-query", '[ "$3" = libboost-dev ] && exit 1; echo "ii "')
    assert shell.output("missing_system_packages debian 0") == missing


def test_homebrew_misses_what_it_has_not_linked(shell):
    everything_but(shell, "ninja")
    for formula in ("boost", "spdlog", "cli11", "utf8proc", "openssl@3"):
        (shell.folder / "brew/opt" / formula).mkdir(parents=True)
    shell.stub("brew", f'[ "$1" = --prefix ] && echo {shell.folder}/brew')
    assert shell.output("missing_system_packages macos 0").split() == ["ninja", "nlohmann-json", "pcre2"]
    assert "googletest" in shell.output("missing_system_packages macos 1").split()


def test_an_unknown_system_is_told_the_packages_and_goes_on(shell):
    everything_but(shell)
    boost(shell, 108300)
    for header in set(DEBIAN_HEADERS.values()) - {"pcre2.h"}:
        shell.header(header)
    assert shell.output("missing_system_packages unknown 0") == "libpcre2-dev"
    assert shell.output("install_command unknown libpcre2-dev") == ""
    assert shell.run("install_system_packages unknown libpcre2-dev").returncode == 0
    shell.header("pcre2.h")
    assert shell.output("missing_system_packages unknown 0") == ""


def test_an_old_python_is_not_taken(shell):
    shell.stub("python3", "exit 1")
    done = shell.run("make_venv")
    assert done.returncode != 0 and "3.10 to 3.14" in done.stderr
    shell.stub("python3.12", 'if [ "$1" = -m ]; then echo "$*" > made; fi')
    assert shell.run("make_venv").returncode == 0
    assert (shell.folder / "made").read_text().split()[:2] == ["-m", "venv"]


@pytest.fixture
def checkout(shell):
    """A copy of the scripts on an invented Linux system, whose every installing program writes down how it was called."""
    (shell.folder / "tests").mkdir()
    shutil.copytree(ROOT / "tools", shell.folder / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "tests/requirements.txt", shell.folder / "tests")
    everything_but(shell, "python3", "jq", "npm")
    shell.stub("cmake", "echo cmake version 3.25.1")
    # The environment that this Python makes has a Python that says that it has the CPU build.
    python = shell.stub("environment-python", f'echo "python $*" >> {shell.folder}/calls\n[ "$1" != -c ] || echo "{CPU}"')
    making = f'mkdir -p "$4/bin"; for f in python; do cat {python} > "$4/bin/$f"; /bin/chmod +x "$4/bin/$f"; done'
    shell.stub("python3", f'[ "$1" != -m ] || {{ echo "python3 $*" >> {shell.folder}/calls; {making}; }}')
    shell.stub("uname", 'case "$1" in -s) echo Linux;; -m) echo x86_64;; esac')
    packages = (shell.folder / "tools/packages.sh").read_text()
    packages = packages.replace("/etc/os-release", str(shell.folder / "os-release"))
    folders = next(line for line in packages.splitlines() if line.startswith("HEADER_FOLDERS="))
    (shell.folder / "tools/packages.sh").write_text(packages.replace(folders, f"HEADER_FOLDERS={shell.headers}"))

    def run(*arguments, **env):
        environment = {"PATH": str(shell.bin), "HOME": str(shell.folder), **env}
        (shell.folder / "calls").unlink(missing_ok=True)
        # From another folder: the scripts find their own.
        done = subprocess.run(["/bin/bash", str(shell.folder / "tools/setup.sh"), *arguments], cwd="/", env=environment,
                              capture_output=True, text=True, timeout=60)  # fmt: skip
        calls = shell.folder / "calls"
        return done, calls.read_text().splitlines() if calls.exists() else []

    return run


def test_setup_says_what_it_will_do_then_does_it_once(shell, checkout):
    (shell.folder / "os-release").write_text("ID=debian\n")
    shell.stub("id", "echo 1000")
    shell.stub("apt-get", "")
    shell.stub("sudo", f'echo "sudo $*" >> {shell.folder}/calls')
    # Installed once sudo has installed it.
    shell.stub("dpkg-query", f'[ -e {shell.folder}/calls ] || [ -e {shell.folder}/.venv/bin ] || exit 1; echo "ii "')

    done, calls = checkout()
    assert done.returncode == 0, done.stderr
    plan = done.stdout
    assert "sudo apt-get install -y --no-install-recommends libboost-dev nlohmann-json3-dev" in plan
    assert f"torch=={TORCH}+cpu" in plan and CPU_INDEX in plan and "build tandem in build/" in plan
    assert calls[0].startswith("sudo apt-get update")
    assert calls[1].startswith("sudo env DEBIAN_FRONTEND=noninteractive apt-get install")
    assert any(f"pip install --quiet --no-deps --retries 2 --timeout 30 --extra-index-url {CPU_INDEX} torch=={TORCH}+cpu" in c for c in calls)
    assert not any("requirements.txt" in call for call in calls), "a demo needs no test requirements"
    assert "gtest" not in plan

    done, calls = checkout()
    assert (done.returncode, done.stdout, calls) == (0, "", []), "a second run says and does nothing"

    done, calls = checkout("--tests")
    assert done.returncode == 0, done.stderr
    assert "pytest" in done.stdout and not any("torch==" in call for call in calls)
    assert any("pip install --quiet -r tests/requirements.txt" in call for call in calls)
    assert checkout("--tests")[0].stdout == ""


def test_setup_goes_on_where_the_system_is_unknown(shell, checkout):
    (shell.folder / "os-release").write_text("ID=plan9\n")
    done, calls = checkout()
    assert done.returncode == 0, done.stderr
    assert "NOT install system packages" in done.stdout and "libpcre2-dev" in done.stdout
    assert any(f"torch=={TORCH}+cpu" in call for call in calls)


def test_setup_that_fails_half_way_begins_again(shell, checkout):
    (shell.folder / "os-release").write_text("ID=plan9\n")
    python = shell.bin / "environment-python"
    works = python.read_text()
    python.write_text(works + '[ "$3" != install ] || exit 1\n')
    assert checkout()[0].returncode != 0
    python.write_text(works)
    shutil.rmtree(shell.folder / ".venv")
    done, calls = checkout()
    assert done.returncode == 0, done.stderr
    assert any(f"torch=={TORCH}+cpu" in call for call in calls)
