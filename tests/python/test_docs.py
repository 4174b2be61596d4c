"""README and docs say what is so: their commands run, and the links, files, functions, flags and messages they name exist.

A fenced block whose info string is `sh run` is executed, with a server of a tiny model in the place of localhost:8100.
"""

import functools
import os
import pathlib
import re
import subprocess

import pytest

from servers import ROOT, TANDEM, serving

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "demo" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^( *)```([^\n]*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
CODE_SPAN = re.compile(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
VERB_COMMAND = re.compile(r"\btandem ([a-z]+)\b([^|;&#`]*)")
OTHER_PROGRAM = re.compile(r"^(sudo )?(cmake|ctest|curl|hf|ip|make|networksetup|pip|pmset|torchrun|tools/\S+|\S*python)\b")
FILE = re.compile(r"(?<![\w/.])(?:tandem|tests|tools|cmake|docs|\.github)/[\w./-]+\.(?:cc|h|py|sh|md|yml|cmake)\b")
FUNCTION = re.compile(r"`(?:\w+::)*(\w+)\(\)`")
# A C++ literal, and what stands between two that the compiler joins.
LITERALS = re.compile(r'"(?:[^"\\\n]|\\.)*"(?:\s+"(?:[^"\\\n]|\\.)*")*')
PLACEHOLDER = re.compile(r"<[^<>]*>")
SHORTEST_FRAGMENT = 5


def name_of(page: pathlib.Path) -> str:
    return str(page.relative_to(ROOT))


def prose(page: pathlib.Path) -> str:
    return FENCE.sub("", page.read_text())


def blocks(page: pathlib.Path, info: str | None = None) -> list[str]:
    return [body for _, named, body in FENCE.findall(page.read_text()) if info is None or named.strip() == info]


@pytest.fixture(scope="module")
def server(random_model):
    with serving(random_model("tiny-llama"), "--local", "2") as server:
        yield server


RUN = [pytest.param(body, id=f"{name_of(page)}-{i}") for page in PAGES for i, body in enumerate(blocks(page, "sh run"))]


@pytest.mark.parametrize("commands", RUN)
def test_commands_run(commands, server, tmp_path):
    environment = {"HOME": str(tmp_path), "PATH": f"{TANDEM.parent}:{os.environ['PATH']}", "TANDEM_URL": server.url, "no_proxy": "*"}
    script = "set -euo pipefail\n" + commands.replace("http://localhost:8100", server.url)
    ended = subprocess.run(["bash", "-c", script], env=environment, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True,
                           text=True, errors="replace", timeout=120, check=False)
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
    assert '"error":' not in ended.stdout


def anchors(page: pathlib.Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    kept = [re.sub(r"[^\w\- ]", "", heading.lower()) for heading in HEADING.findall(prose(page))]
    return {heading.replace(" ", "-") for heading in kept}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    for link in LINK.findall(prose(page)):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link}: no such file"
        assert not anchor or anchor in anchors(target), f"{link}: no such heading"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_exist(page):
    # `olive` is the architecture that adding-an-architecture.md makes up.
    for path in set(FILE.findall(page.read_text())) - {"tandem/model/olive.cc"}:
        assert (ROOT / path).is_file(), path


def test_functions_are_in_the_files_named_beside_them():
    """In architecture.md a sentence or table row that names functions also names the files that have them."""
    text = prose(ROOT / "docs" / "architecture.md")
    num_checked = 0
    for part in re.split(r"\n\n|\n(?=\d+\. |\| |- )", text):
        sources = "".join((ROOT / path).read_text() for path in FILE.findall(part))
        for function in FUNCTION.findall(part) if sources else []:
            assert re.search(rf"\b{function}\(", sources), f"{function}() is in none of the files of: {part}"
            num_checked += 1
    assert num_checked > 40


@functools.cache
def help_of(*verb: str) -> str:
    return subprocess.run([TANDEM, *verb, "--help"], capture_output=True, text=True, timeout=20, check=True).stdout


@functools.cache
def verbs() -> list[str]:
    return re.findall(r"^  ([a-z]+) ", help_of().split("Subcommands:")[1], re.MULTILINE)


def flags_of(verb: str) -> set[str]:
    return set(FLAG.findall(help_of(verb)))


def commands_of(page: pathlib.Path) -> list[str]:
    joined = "\n".join(blocks(page)).replace("\\\n", " ").split("\n")
    return [line.strip() for line in joined] + [span for _, span in CODE_SPAN.findall(prose(page))]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_flags_exist(page):
    of_any_verb = set().union(*map(flags_of, verbs()))
    for command in commands_of(page):
        named = [(verb, rest) for verb, rest in VERB_COMMAND.findall(command) if verb in verbs()]
        for verb, rest in named:
            for flag in FLAG.findall(rest):
                assert flag in flags_of(verb), f"tandem {verb} has no {flag}: {command}"
        if not named and not OTHER_PROGRAM.match(command):
            for flag in FLAG.findall(command):
                assert flag in of_any_verb, f"no verb of tandem has {flag}: {command}"


@functools.cache
def literals_of_the_source() -> str:
    """Every string literal of the programs, joined where the compiler joins them, one a line."""
    found = []
    for path in sorted((ROOT / "tandem").rglob("*.cc")):
        if not path.name.endswith("_test.cc"):
            for literal in LITERALS.findall(path.read_text()):
                found.append(re.sub(r'"\s+"', "", literal)[1:-1].replace('\\"', '"'))
    return "\n".join(found)


def messages_of_troubleshooting() -> list[str]:
    page = prose(ROOT / "docs" / "cluster.md").split("## Troubleshooting", 1)[1]
    rows = [line for line in page.split("\n") if line.startswith("| `")]
    return [CODE_SPAN.match(row[2:]).group(2) for row in rows]


@pytest.mark.parametrize("message", messages_of_troubleshooting())
def test_messages_are_those_of_the_source(message):
    fragments = [part.strip() for part in PLACEHOLDER.split(message)]
    checked = [part for part in fragments if len(part) >= SHORTEST_FRAGMENT]
    assert checked, f"nothing to look for in: {message}"
    for fragment in checked:
        assert fragment in literals_of_the_source(), fragment


def test_every_message_of_the_links_is_in_the_protocol():
    header, source = ((ROOT / "tandem" / "link" / name).read_text() for name in ("messages.h", "messages.cc"))
    rows = {int(row.group(1)): row.group(0) for row in re.finditer(r"^\| (\d+) \| .*$", prose(ROOT / "docs" / "protocol.md"), re.MULTILINE)}
    enumerators = re.findall(r"^  (k\w+) = (\d+),", header.split("enum class Message")[1].split("};")[0], re.MULTILINE)
    assert len(enumerators) > 30
    for name, number in enumerators:
        assert int(number) in rows, f"{name} = {number}"
    fields = dict(re.findall(r"^TANDEM_FIELDS\((\w+), ([^)]*)\)", source, re.MULTILINE))
    for row in rows.values():
        struct = re.search(r"`(\w+)`", row)
        for field in re.split(r",\s*", fields[struct.group(1)]) if struct else []:
            assert re.search(rf"\b{field}\b", row), f"{field} of {struct.group(1)}"


def test_every_error_code_has_a_cause_and_a_remedy():
    names = re.findall(r'return "(\w+)";', (ROOT / "tandem" / "base" / "error.cc").read_text())
    page = prose(ROOT / "docs" / "errors.md")
    for name in set(names):
        assert re.search(rf"^\| `{name}` \| \d \| \d+ \| .+ \| .+ \|$", page, re.MULTILINE), name


def test_every_field_of_a_request_is_in_the_api():
    """The tables with which the API tells known fields from unknown ones."""
    page = prose(ROOT / "docs" / "api.md")
    num_fields = 0
    for name in ("generation_fields", "chat_request", "completion_request"):
        source = (ROOT / "tandem" / "api" / "request" / f"{name}.cc").read_text()
        for table in re.findall(r"string_view k\w+Fields\[\] = \{(.*?)\};", source, re.DOTALL):
            for field in re.findall(r'"(\w+)"', table):
                assert f"`{field}`" in page, field
                num_fields += 1
    assert num_fields > 50
