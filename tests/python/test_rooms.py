"""The structure of the source: which room may see what, as CONTRIBUTING.md's table says it, and how long a file may be."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROOMS = ROOT / "tandem"
SOURCES = sorted(path for path in ROOMS.rglob("*") if path.suffix in (".cc", ".h"))
INCLUDE = re.compile(r'^\s*#\s*(?:include|import)\s*(<[^>]+>|"[^"]+")', re.MULTILINE)

TORCH_ROOMS = {"comm", "model", "stage"}
TORCH = re.compile(r"<(ATen|torch|c10|caffe2|gloo)/")
SOCKET_ROOMS = {"http", "link"}
SOCKETS = re.compile(r"<(sys/socket\.h|sys/un\.h|netinet/|arpa/|netdb\.h|net/if|ifaddrs\.h|boost/(asio|beast))")
# Gloo opens its port itself; these files keep strangers away from it. See docs/decisions/gloo-listener.md.
SOCKET_FILES = re.compile(r"^comm/(mesh_|strangers_)")
INTRINSICS = re.compile(r"<(\w*intrin\.h|arm_\w+\.h|cpuid\.h|asm/hwcap\.h)>")
MOST_LINES = 600
# Tables, not code: nobody reads them from the first line to the last.
TABLES = {"tests/python/template_cases.py"}


def room_of(path):
    return path.relative_to(ROOMS).parts[0]


def name_of(path):
    return str(path.relative_to(ROOMS))


def includes(path):
    return INCLUDE.findall(path.read_text())


def rooms_included(path):
    for include in includes(path):
        if include.startswith('"'):
            parts = include.strip('"').split("/")
            assert parts[0] == "tandem" and len(parts) > 2, f"{name_of(path)} includes {include}: write tandem/ROOM/FILE"
            yield parts[1]


def allowed_rooms():
    """{room: rooms that it may include}, from CONTRIBUTING.md's table; base and the room itself come with every row."""
    rows = re.findall(r"^\| `(\w+)` \|.*\| ([^|]+) \|$", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    names = {name for name, _ in rows}
    table = {}
    for name, cell in rows:
        if cell.startswith("all but "):
            allowed = names - set(cell.removeprefix("all but ").split(", "))
        else:
            allowed = set() if cell in ("–", "nothing") else set(cell.split(", "))
        assert allowed <= names, f"the row of {name} names rooms that have no row: {allowed - names}"
        table[name] = allowed | {name} | ({"base"} if cell != "nothing" else set())
    return table


ALLOWED = allowed_rooms()


def test_every_folder_is_a_room_of_the_table():
    assert {path.name for path in ROOMS.iterdir() if path.is_dir()} == set(ALLOWED)
    assert len(SOURCES) > 100


@pytest.mark.parametrize("room", sorted(ALLOWED))
def test_a_room_includes_only_what_its_row_allows(room):
    wrong = [
        f"{name_of(path)} includes {other}"
        for path in SOURCES if room_of(path) == room
        for other in rooms_included(path) if other not in ALLOWED[room]
    ]  # fmt: skip
    assert not wrong


def test_arrows_point_down():
    below = {room: allowed - {room} for room, allowed in ALLOWED.items()}
    while below:
        lowest = {room for room, others in below.items() if not others}
        assert lowest, f"these rooms include one another in a circle: {sorted(below)}"
        below = {room: others - lowest for room, others in below.items() if room not in lowest}


@pytest.mark.parametrize("room", sorted(ALLOWED))
def test_cmake_links_the_rooms_that_are_included_and_no_others_than_allowed(room):
    text = (ROOMS / room / "CMakeLists.txt").read_text()
    call = re.search(rf"tandem_room\({room}\b([^)]*)\)", text)
    assert call, f"tandem/{room}/CMakeLists.txt has no tandem_room({room} …)"
    words = call.group(1).split()
    keywords = {"ROOMS", "LINK", "PCH", "LABEL", "EXCLUDE"}
    linked = set()
    if "ROOMS" in words:
        for word in words[words.index("ROOMS") + 1 :]:
            if word in keywords:
                break
            linked.add(word)
    assert linked <= ALLOWED[room]
    included = {other for path in SOURCES if room_of(path) == room for other in rooms_included(path)}
    assert included <= linked | {room, "base"}, "included but not linked"
    assert ("tandem_torch" in words) == (room in TORCH_ROOMS)


def test_only_model_comm_and_stage_see_libtorch():
    assert not [name_of(p) for p in SOURCES if room_of(p) not in TORCH_ROOMS for i in includes(p) if TORCH.match(i)]


def test_only_http_and_link_see_sockets():
    seen = {name_of(p) for p in SOURCES if room_of(p) not in SOCKET_ROOMS for i in includes(p) if SOCKETS.match(i)}
    assert not {name for name in seen if not SOCKET_FILES.match(name)}


def test_asio_stays_in_http():
    assert not [name_of(p) for p in SOURCES if room_of(p) != "http" for i in includes(p) if i.startswith("<boost/")]


def test_only_kernels_see_intrinsics():
    assert not [name_of(p) for p in SOURCES if room_of(p) != "kernels" for i in includes(p) if INTRINSICS.match(i)]


def test_the_patterns_see_what_they_are_for():
    """Each pattern finds something where it is allowed: a misspelt one would find nothing anywhere."""
    everything = {room: {i for p in SOURCES if room_of(p) == room for i in includes(p)} for room in ALLOWED}
    assert any(map(TORCH.match, everything["model"]))
    assert any(map(SOCKETS.match, everything["http"])) and any(map(SOCKETS.match, everything["link"]))
    assert any("/cluster/" in i for i in everything["cli"])


def test_platform_code_is_chosen_by_file():
    """A file for one system has a twin for the other, or is named in a way that says that it needs none."""
    for path in SOURCES:
        for here, there in (("_linux.cc", "_macos.cc"), ("_macos.cc", "_linux.cc")):
            if path.name.endswith(here):
                assert path.with_name(path.name.replace(here, there)).exists(), f"{name_of(path)} has no {there} beside it"


def test_no_file_is_too_long_to_read():
    kinds = {".cc", ".h", ".py", ".sh", ".cmake"}
    for folder in ("tandem", "tests", "tools", "cmake", "bench"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix not in kinds or str(path.relative_to(ROOT)) in TABLES:
                continue
            lines = path.read_text().splitlines()
            is_generated = any("Written by tools/" in line for line in lines[:5])
            assert is_generated or len(lines) <= MOST_LINES, f"{path.relative_to(ROOT)} has {len(lines)} lines"


def test_headers_are_guarded_and_files_say_what_they_know():
    for path in SOURCES:
        text = path.read_text()
        if path.suffix == ".h":
            assert "#pragma once" in text, f"{name_of(path)} has no #pragma once"
        assert len(text) == 0 or text.endswith("\n"), f"{name_of(path)} does not end with a newline"
