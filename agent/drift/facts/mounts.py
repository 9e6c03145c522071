"""What is mounted, and what fstab says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.drift.area import Area
from agent.machine.mounts import DISK_FILESYSTEMS, FSTAB, observe_fstab, observe_mounts, observe_swaps

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.machine.api import Machine

_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "ceph", "lustre", "beegfs", "gpfs", "9p", "virtiofs", "glusterfs"}
)
_PASSING = (
    "/run/",
    "/proc/",
    "/sys/",
    "/dev/",
    "/var/lib/docker/",
    "/var/lib/containerd/",
    "/var/lib/kubelet/",
    "/snap/",
    "/var/snap/",
    "/media/",
)
_NO_MATTER = frozenset({"rw", "relatime", "seclabel"})


def observe_mounted(machine: Machine) -> dict[str, str]:
    """Return filesystem and options of each lasting mount; removable and containers' own ones are left out."""
    found: dict[str, str] = {}
    for mount in observe_mounts(machine):
        if mount.fstype in DISK_FILESYSTEMS | _NETWORK and not f"{mount.point}/".startswith(_PASSING):
            options = sorted(set(mount.options) - _NO_MATTER)
            source = f" from {mount.source}" if mount.fstype in _NETWORK else ""
            found[mount.point] = f"{mount.fstype}{source} {','.join(options) or 'defaults'}"
    return found | {f"swap {swap.path}": swap.kind for swap in observe_swaps(machine)}


def observe_entries(machine: Machine) -> dict[str, str]:
    """Return filesystem and options of each line of fstab by mount point."""
    return {
        _name(entry.point, entry.spec): f"{entry.fstype} {','.join(sorted(entry.options))}"
        for entry in observe_fstab(machine)
    }


def observe_devices(machine: Machine) -> dict[str, str]:
    """Return the device of each line of fstab; UUIDs differ from machine to machine."""
    return {_name(entry.point, entry.spec): entry.spec for entry in observe_fstab(machine)}


def _name(point: str, spec: str) -> str:
    return point if point.startswith("/") else f"swap {spec if spec.startswith('/') else ''}".strip()


def _fstab(key: str, before: str, after: str) -> Sequence[str]:
    return (FSTAB,)


AREAS = (
    Area("mount", "mounted filesystems and swap", observe_mounted, places=lambda key, before, after: ()),
    Area("fstab", "fstab", observe_entries, places=_fstab),
    Area("fstab-device", "devices in fstab", observe_devices, places=_fstab, own=True),
)
