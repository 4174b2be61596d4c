"""Fixtures that several test files share."""

import pytest

from servers import serving


@pytest.fixture(scope="session")
def demo_server():
    """The base URL of a server with the demo model over two ranks."""
    with serving("demo", "--local", "2") as server:
        yield server.url
