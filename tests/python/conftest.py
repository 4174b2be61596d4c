"""Fixtures that several test files share."""

import pathlib
import subprocess
import sys

import pytest

from servers import ROOT, serving


@pytest.fixture(scope="session")
def demo_server():
    """The base URL of a server with the demo model over two ranks."""
    with serving("demo", "--local", "2") as server:
        yield server.url


@pytest.fixture(scope="session")
def random_model(tmp_path_factory):
    """Makes folders with random weights: random_model("tiny-llama", "--dtype", "f32")."""
    made = {}

    def make(name: str, *options: str) -> pathlib.Path:
        key = (name, *options)
        if key not in made:
            made[key] = tmp_path_factory.mktemp("model") / name
            subprocess.run([sys.executable, ROOT / "tools" / "random_model.py", name, made[key], *options], check=True, capture_output=True)
        return made[key]

    return make
