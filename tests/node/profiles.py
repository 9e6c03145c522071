"""What the disposable machines must be: the only place where the bed states values."""

from __future__ import annotations

from typing import Any

import yaml

from tests.node.disposable import Disposable

SITE_PROFILE = "/etc/firstlight/profile.yml"
TOOLKIT_VERSION = "1.19.1-1"
TOOLKIT = ("libnvidia-container1", "libnvidia-container-tools", "nvidia-container-toolkit-base",
           "nvidia-container-toolkit")

NODE: dict[str, Any] = {
    "schema": 1,
    "name": "node",
    "extends": "cpu-only",
    "kernel": {"sysctl": {"values": {"vm.swappiness": 7, "net.ipv4.ip_local_port_range": "20000 60999"}}},
    "system": {
        "base": {"upgrade_blacklist": ["^nvidia-", "^linux-image-"]},
        # a container may not raise limits above those it was started with
        "limits": {"nofile": 16384},
        "slice": {"cpu_weight": 70, "memory_high_percent": 60, "memory_max_percent": 75},
        # a container's root filesystem cannot hold swap
        "swap": {"enabled": False},
        "backup": {"jobs": [{"name": "models", "source": "/srv/models", "destination": "/backup/models"}]},
    },
    "container": {
        "docker": {"daemon": {"log-driver": "json-file", "log-opts": {"max-size": "50m", "max-file": "2"},
                              "live-restore": True}},
        "toolkit": {"enabled": True, "default_runtime": False, "cdi": False},
    },
}

MACHINE: dict[str, Any] = NODE | {
    "name": "machine",
    "kernel": {"sysctl": {"values": {"vm.swappiness": 7, "net.core.somaxconn": 8192},
                          "floors": {"fs.nr_open": 2_000_000}}},
    "system": NODE["system"] | {
        "limits": {"nofile": 1_000_000, "memlock": "unlimited"},
        "swap": {"path": "/swap.img", "size": "256M"},
    },
    "storage": {"data_disks": {"disks": [
        {"serial": "FLDATA01", "size": "1G", "label": "data", "mount": "/data",
         "options": ["noatime", "logbufs=8", "logbsize=256k"]},
    ]}},
}

_STAND_IN = """
for name in %(names)s; do
  mkdir -p "$work/$name/DEBIAN"
  {
    printf 'Package: %%s\\nVersion: %(version)s\\nArchitecture: all\\n' "$name"
    printf 'Maintainer: bed <bed@localhost>\\nDescription: stand-in\\n'
  } >"$work/$name/DEBIAN/control"
done
mkdir -p "$work/nvidia-container-toolkit-base/usr/bin"
cd "$work/nvidia-container-toolkit-base/usr/bin"
printf '#!/bin/sh\\nexec runc "$@"\\n' >nvidia-container-runtime
printf '#!/bin/sh\\necho "NVIDIA Container Toolkit CLI version 1.19.1"\\n' >nvidia-ctk
chmod 755 nvidia-container-runtime nvidia-ctk
for name in %(names)s; do dpkg-deb -b "$work/$name" "$work/$name.deb" >/dev/null; done
dpkg -i "$work"/*.deb >/dev/null
rm -r "$work"
"""


def prepare(machine: Disposable, profile: dict[str, Any]) -> None:
    """Give a fresh machine its site profile, folders to back up, and stand-ins for NVIDIA's packages.

    NVIDIA's repository is out of reach of the bed; empty packages of its four names let the pin, the hold and the
    registration with Docker be real.
    """
    machine.write(SITE_PROFILE, yaml.safe_dump(profile, sort_keys=False))
    # nvme-cli brings a unit that loads a kernel module at boot, which a container may not
    machine.sh("systemctl mask -q nvmf-autoconnect.service")
    machine.write("/srv/models/model.safetensors", "weights\n")
    machine.sh("work=$(mktemp -d)\n" + _STAND_IN % {"names": " ".join(TOOLKIT), "version": TOOLKIT_VERSION})
