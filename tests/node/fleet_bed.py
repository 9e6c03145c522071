"""Six nodes that are reached by SSH, as a fleet is: three Debian 12, three Debian 13."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.node.disposable import Ran
from tests.node.images import REPOSITORY, shell
from tests.node.nodes import Node, fresh_node
from tests.node.profiles import SITE_PROFILE

SLOW_S = 4
WAIT = "/opt/wait-s"
# Roles that need nothing from a package mirror, so that six nodes are ready in a minute.
PROFILE: dict[str, Any] = {
    "schema": 1,
    "name": "lab",
    "extends": "common",  # which sets no kernel value that nodes share with their host
    "kernel": {
        "sysctl": {"values": {"net.ipv4.ip_local_port_range": "20000 60999"}, "floors": {"fs.nr_open": 1024}}
    },
    "system": {
        "base": {"packages": ["ca-certificates"], "upgrade_blacklist": ["^linux-image-"]},
        "limits": {"nofile": 16384},
        "slice": {"cpu_weight": 70},
        "swap": {"enabled": False},
    },
    "container": {"docker": {"enabled": False}, "toolkit": {"enabled": False}},
    # the kernel of a node is the host's: what else runs there moves these
    "drift": {
        "ignore": [
            "sysctl vm.*",
            "sysctl fs.*",
            "sysctl kernel.*",
            "sysctl net.core.*",
            "kernel *",
            "firmware *",
        ]
    },
}


@dataclass
class Fleet:
    """Nodes by name, and the inventory that reaches them. `away` has an address where nobody answers."""

    nodes: dict[str, Node]
    inventory: Path
    home: Path

    def firstlight(self, *words: str, timeout_s: float = 1500) -> Ran:
        """Run `firstlight fleet` on this machine, as its administrator would."""
        from os import environ
        from sys import executable

        argv = [
            executable,
            "-c",
            "import sys; from agent.cli.main import main; sys.exit(main())",
            "fleet",
            words[0],
            "-i",
            str(self.inventory),
            *words[1:],
        ]
        done = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            cwd=REPOSITORY,
            env=environ | {"FIRSTLIGHT_STATE": str(self.home / "state")},
        )
        return Ran(tuple(argv), done.returncode, done.stdout, done.stderr)


def ssh_image(product: str, folder: Path) -> str:
    """Return an image like `product` with an SSH server that lets our key in."""
    name = product.replace("product", "fleet")
    builder = name.replace(":", "-")
    key = (folder / "key.pub").read_text()
    shell(["docker", "run", "-d", "--name", builder, product, "sleep", "600"])
    try:
        shell(
            [
                "docker",
                "exec",
                builder,
                "sh",
                "-ec",
                "apt-get update -qq; export DEBIAN_FRONTEND=noninteractive; "
                "apt-get -o Acquire::Retries=5 install -y -qq --no-install-recommends "
                f"openssh-server >/dev/null; mkdir -p -m 700 /root/.ssh; "
                f"echo '{key.strip()}' >/root/.ssh/authorized_keys",
            ]
        )
        shell(["docker", "commit", "-c", 'CMD ["/sbin/init"]', builder, name])
    finally:
        shell(["docker", "rm", "-f", builder])
    return name


def make_key(folder: Path) -> None:
    shell(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "key"])


def address_of(node: Node) -> str:
    """Return the node's address on Docker's bridge."""
    return shell(["docker", "inspect", "-f", "{{.NetworkSettings.IPAddress}}", node.name]).strip()


def settled_image(image: str) -> str:
    """Return an image of a node that one apply has made what the lab's profile says."""
    name = image.replace("fleet", "settled")
    with fresh_node(image) as node:
        node.write(SITE_PROFILE, yaml.safe_dump(PROFILE, sort_keys=False))
        ran = node.firstlight("apply", "--yes", "-o", "json", timeout_s=2400)
        assert ran.code == 0, str(ran)
        shell(["docker", "commit", "-c", 'CMD ["/sbin/init"]', node.name, name])
    return name


def settle(node: Node, *, slow: bool) -> None:
    """Hand a node over: its baseline is accepted; a slow one takes its time to answer."""
    node.write(WAIT, str(SLOW_S if slow else 0))
    node.write("/opt/lab-firstlight", f'#!/bin/sh\nsleep $(cat {WAIT})\nexec /opt/firstlight/bin/firstlight "$@"\n')
    node.sh("chmod 755 /opt/lab-firstlight; systemctl restart systemd-sysctl; systemctl is-active -q ssh")
    ran = node.firstlight("drift", "--accept", "handed over")
    assert ran.code == 0, str(ran)


@contextlib.contextmanager
def running_fleet(products: dict[str, str], folder: Path) -> Iterator[Fleet]:
    """Start twelve-1 … twelve-3 and thirteen-1 … thirteen-3; twelve-3 is away, thirteen-3 is slow."""
    make_key(folder)
    with contextlib.ExitStack() as stack:
        images = {}
        for suite, product in products.items():
            images[suite] = settled_image(kept(stack, ssh_image(product, folder)))
            kept(stack, images[suite])
        nodes = {
            f"{name}-{number}": stack.enter_context(fresh_node(images[suite]))
            for suite, name in (("bookworm", "twelve"), ("trixie", "thirteen"))
            for number in (1, 2, 3)
        }
        for name, node in nodes.items():
            settle(node, slow=name == "thirteen-3")
        inventory = folder / "hosts.yml"
        inventory.write_text(yaml.safe_dump(inventory_of(nodes, folder), sort_keys=False))
        shell(["docker", "network", "disconnect", "bridge", nodes["twelve-3"].name])
        yield Fleet(nodes, inventory, folder)


def kept(stack: contextlib.ExitStack, image: str) -> str:
    """Return an image that is removed at the end."""
    stack.callback(shell, ["docker", "rmi", "-f", image])
    return image


def inventory_of(nodes: dict[str, Node], folder: Path) -> dict[str, Any]:
    """Return an inventory in two groups."""
    hosts = {
        name: {"ansible_host": address_of(node), "firstlight_command": "/opt/lab-firstlight"}
        for name, node in nodes.items()
    }
    groups = {
        group: {"hosts": {name: body for name, body in hosts.items() if name.startswith(group)}}
        for group in ("twelve", "thirteen")
    }
    reach = {
        "ansible_user": "root",
        "ansible_ssh_private_key_file": str(folder / "key"),
        "ansible_ssh_common_args": "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null",
    }
    return {"all": {"children": groups, "vars": reach}}
