"""Whole disks and the identities they carry themselves, as /sys shows them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent.model.errors import Missing, Unobservable
from agent.model.hardware import Disk

if TYPE_CHECKING:
    from agent.machine.api import Machine

_BLOCK = "/sys/block"
_NOT_A_DISK = re.compile(r"(loop|ram|zram|dm-|md|sr|fd|nbd|mtdblock|zd)\d|nvme\d+c\d+n\d+$")
_SECTOR_BYTES = 512


def observe_disks(machine: Machine) -> tuple[Disk, ...]:
    """Return the whole disks by name; drives without a medium (size 0) and composed devices are left out."""
    try:
        names = machine.listing(_BLOCK)
    except Missing:
        return ()
    disks = (_observe_disk(machine, name) for name in names if not _NOT_A_DISK.match(name))
    return tuple(disk for disk in disks if disk.size_bytes)


def _observe_disk(machine: Machine, name: str) -> Disk:
    folder = f"{_BLOCK}/{name}"
    size = _attribute(machine, f"{folder}/size")
    return Disk(
        name=name,
        size_bytes=int(size or 0) * _SECTOR_BYTES,
        serial=_serial(machine, folder),
        wwn=_attribute(machine, f"{folder}/wwid") or _attribute(machine, f"{folder}/device/wwid"),
        model=_attribute(machine, f"{folder}/device/model") or _attribute(machine, f"{folder}/device/name"),
        rotational=_attribute(machine, f"{folder}/queue/rotational") == "1",
        removable=_attribute(machine, f"{folder}/removable") == "1",
        read_only=_attribute(machine, f"{folder}/ro") == "1",
    )


def _serial(machine: Machine, folder: str) -> str:
    """Return the drive's serial number: NVMe and MMC, then virtio, then page 0x80 of a SCSI or SATA disk."""
    found = _attribute(machine, f"{folder}/device/serial") or _attribute(machine, f"{folder}/serial")
    if found:
        return found
    try:
        page = machine.read_bytes(f"{folder}/device/vpd_pg80")
    except Unobservable:
        return ""
    length = int.from_bytes(page[2:4], "big")
    return page[4:4 + length].decode("ascii", errors="replace").strip("\0 ")


def _attribute(machine: Machine, path: str) -> str:
    """Return one attribute, empty when the device has none or does not tell it."""
    try:
        return machine.read(path).strip("\0 \n")
    except Unobservable:
        return ""
