"""An apt-get of ours ends at once when the network is gone.

Left alone, apt 3.0 tries 70 packages again for minutes, and then in some runs (a matter of the order in which they come
due) endlessly and without a pause, until the memory is full.
"""

from __future__ import annotations

import pytest

import tests.ansible_modules  # noqa: F401 - makes our module_utils importable
from tests.node.nodes import fresh_node

from ansible.module_utils.dpkg_state import APT_GET  # isort: skip

pytestmark = pytest.mark.node
WITHOUT_NETWORK = """
ip link set eth0 down
timeout -s KILL 20 {} install --download-only docker.io >/tmp/said 2>&1 || echo $?
"""


def test_without_network_it_tries_each_package_once(image: str) -> None:
    with fresh_node(image, "--memory", "2g") as node:
        node.sh("apt-get update -qq")
        assert node.sh(WITHOUT_NETWORK.format(" ".join(APT_GET))).strip() == "100", node.read("/tmp/said")[-2000:]
