"""An apt-get of ours ends at once when the network is gone: apt 3.0's own way of trying again eats all memory."""

from __future__ import annotations

import pytest

import tests.ansible_modules  # noqa: F401 - makes our module_utils importable
from tests.node.nodes import Node, fresh_node

from ansible.module_utils.dpkg_state import APT_GET  # isort: skip

pytestmark = pytest.mark.node
WITHOUT_NETWORK = """
ip link set eth0 down
{} install --download-only docker.io >/tmp/said 2>&1 || echo $?
grep -c 'Tried to start delayed item' /tmp/said || true
"""


def without_network(node: Node, command: str) -> tuple[int, int]:
    """Return how apt-get ended and how often it warned of an item that it could not start again."""
    code, times = node.sh(WITHOUT_NETWORK.format(command), timeout_s=100).split()
    return int(code), int(times)


def test_without_network_it_tries_each_package_once(image: str) -> None:
    with fresh_node(image, "--memory", "2g") as node:
        node.sh("apt-get update -qq")
        assert without_network(node, " ".join(APT_GET)) == (100, 0)
        if node.read("/etc/debian_version").startswith("13"):  # when apt does it no longer, our guard may go
            assert without_network(node, "apt-get -q -y")[1] > 0
