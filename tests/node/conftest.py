"""Fixtures of the node tier: an engine, an image with the product, nodes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.node.nodes import Node, fresh_node, kept_host_values, product_image, running_engine
from tests.node.profiles import NODE, prepare

# Not even collected unless asked for: each takes ten minutes and more.
LONG = {"test_driver_dkms.py": "FIRSTLIGHT_DKMS", "test_dgx_arm64.py": "FIRSTLIGHT_ARM64",
        "test_drift_against_ansible.py": "FIRSTLIGHT_LONG", "test_drift_command.py": "FIRSTLIGHT_LONG",
        "test_fleet.py": "FIRSTLIGHT_LONG", "test_up.py": "FIRSTLIGHT_LONG"}
collect_ignore = [name for name, variable in LONG.items() if variable not in os.environ]
# Where FIRSTLIGHT_SUITES does not say otherwise these run on one Debian, the other modules on both.
ONE_SUITE = {"test_driver_repository": "trixie", "test_dgx": "bookworm", "test_images": "trixie",
             "test_smoke_container": "bookworm", "test_monitoring": "trixie", "test_drift_command": "bookworm",
             "test_drift_against_ansible": "trixie", "test_systemd": "trixie", "test_up": "bookworm",
             "test_kill": "trixie", "test_toolkit_repository": "bookworm", "test_on_a_node": "bookworm"}
SUITES = tuple(os.environ.get("FIRSTLIGHT_SUITES", "bookworm trixie").split())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the second Debian of the modules that run on one."""
    def elsewhere(item: pytest.Item) -> bool:
        suite = getattr(getattr(item, "callspec", None), "params", {}).get("image")
        return suite is not None and suite != ONE_SUITE.get(item.path.stem, suite)

    left_out = [] if "FIRSTLIGHT_SUITES" in os.environ else [item for item in items if elsewhere(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


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
