"""Whole block devices as the kernel and udev show them, and the one a profile names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from agent.model.errors import Missing, Unobservable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agent.machine.api import Machine
    from agent.model.profile import DataDisk

SECTOR_BYTES = 512


class BlockDevice(NamedTuple):
    """A whole disk. `number` is major:minor; serials and WWNs are every spelling the machine knows."""

    name: str
    number: str
    size_bytes: int
    serials: tuple[str, ...] = ()
    wwns: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """The device node."""
        return "/dev/" + self.name.replace("!", "/")


def observe_disks(machine: Machine) -> list[BlockDevice]:
    """Return every block device of /sys/block that has a size (loop devices included, partitions not)."""
    disks = []
    for name in machine.listing("/sys/block"):
        folder = f"/sys/block/{name}"
        sectors, number = _attribute(machine, f"{folder}/size"), _attribute(machine, f"{folder}/dev")
        if sectors.isdigit() and int(sectors) > 0 and number:
            disks.append(_identified(machine, name, number, int(sectors) * SECTOR_BYTES))
    return disks


def _identified(machine: Machine, name: str, number: str, size_bytes: int) -> BlockDevice:
    folder = f"/sys/block/{name}"
    serials = [_attribute(machine, f"{folder}/{where}") for where in ("serial", "device/serial")]
    serials.append(_page_80(machine, f"{folder}/device/vpd_pg80"))
    wwns = [_attribute(machine, f"{folder}/{where}") for where in ("wwid", "device/wwid")]
    for line in _attribute(machine, f"/run/udev/data/b{number}").splitlines():
        key, _, value = line.partition("=")
        if key == "E:ID_SERIAL_SHORT":
            serials.append(value.strip())
        elif key in {"E:ID_WWN", "E:ID_WWN_WITH_EXTENSION"}:
            wwns.append(value.strip())
    return BlockDevice(name, number, size_bytes, _distinct(serials), _distinct(map(plain_wwn, wwns)))


def _attribute(machine: Machine, path: str) -> str:
    """Return a small file's text; "" when the device has no such attribute or does not answer for it."""
    try:
        return machine.read(path).strip()
    except Unobservable:
        return ""


def _page_80(machine: Machine, path: str) -> str:
    """Return the unit serial number of a SCSI page 80h (4 bytes of header), "" without one."""
    try:
        page = machine.read_bytes(path, limit_bytes=260)
    except Unobservable:
        return ""
    return page[4:4 + page[3]].decode("ascii", "replace").strip(" \0") if len(page) > 4 else ""


def _distinct(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if value))


def plain_wwn(wwn: str) -> str:
    """Return a WWN as it is compared: small letters, without naa., eui., 0x or wwn-."""
    return re.sub(r"^(wwn-|nvme-)?(naa\.|eui\.|0x)?", "", wwn.strip().lower())


def matching(disks: Sequence[BlockDevice], wanted: DataDisk) -> list[BlockDevice]:
    """Return the disks that carry the serial and WWN (those given) and the exact size (if given)."""
    return [
        disk for disk in disks
        if (not wanted.serial or wanted.serial in disk.serials)
        and (not wanted.wwn or plain_wwn(wanted.wwn) in disk.wwns)
        and wanted.size in {None, disk.size_bytes}
    ]


def identity(wanted: DataDisk) -> str:
    """Return the name a person knows a data disk by."""
    return f"serial {wanted.serial}" if wanted.serial else f"WWN {wanted.wwn}"


def is_virtual(machine: Machine, name: str) -> bool:
    """Return whether a disk is a hypervisor's (virtio, or a vendor that sells no drives): no SMART behind
    it.
    """
    if name.startswith(("vd", "xvd")):
        return True
    try:
        maker = machine.read(f"/sys/block/{name}/device/vendor").strip().upper()
        model = machine.read(f"/sys/block/{name}/device/model").strip().upper()
    except Missing:
        return False
    return maker in {"QEMU", "MSFT", "VMWARE", "VBOX", "GOOGLE"} or model.startswith(
        ("QEMU", "VBOX", "VIRTUAL")
    )
