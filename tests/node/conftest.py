"""Fixtures of the node tier: an engine, an image with the product, nodes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.node.nodes import Node, fresh_node, kept_host_values, product_image, running_engine
from tests.node.profiles import NODE, prepare

# Not even collected unless asked for: each takes ten minutes and more.
LONG = {"test_driver_dkms.py": "FIRSTLIGHT_DKMS", "test_dgx_arm64.py": "FIRSTLIGHT_ARM64"}
collect_ignore = [name for name, variable in LONG.items() if variable not in os.environ]
SUITES = tuple(os.environ.get("FIRSTLIGHT_SUITES", "bookworm trixie").split())


@pytest.fixture(scope="session")
def engine() -> Iterator[None]:
    """A Docker Engine that answers, and a host whose kernel settings are put back at the end."""
    if os.geteuid() != 0:
        pytest.skip("needs root: debootstrap and disposable nodes (sudo make test-node)")
    with running_engine(), kept_host_values():
        yield


@pytest.fixture(scope="session")
def wheel_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the product's wheel is built into, once."""
    return tmp_path_factory.mktemp("wheel")


@pytest.fixture(scope="session", params=SUITES)
def image(request: pytest.FixtureRequest, engine: None, wheel_folder: Path) -> Iterator[str]:
    """An image with the product installed, for each Debian."""
    with product_image(request.param, wheel_folder) as name:
        yield name


@pytest.fixture(scope="module")
def node(image: str) -> Iterator[Node]:
    """A node that nobody has touched, with a site profile; the tests of a module share it."""
    with fresh_node(image) as fresh:
        prepare(fresh, NODE)
        yield fresh


@pytest.fixture(scope="module")
def converged(image: str) -> Iterator[Node]:
    """A node that one apply has made what its profile says."""
    with fresh_node(image) as fresh:
        prepare(fresh, NODE)
        ran = fresh.firstlight("apply", "--yes", "-o", "json")
        assert ran.code == 0, str(ran)
        yield fresh
