"""Block devices as the kernel shows them, and the one that a serial number or WWN names.

Identity comes from /sys (virtio, NVMe, SCSI) and udev's database; a device name (/dev/sdb) never is an identity.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
import struct
import subprocess
from dataclasses import dataclass

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
SECTOR_BYTES = 512
BLKGETSIZE64 = 0x80081272


class Refused(Exception):
    """The disk is left as it is; the text says what was seen and what a human can do."""


class Unknown(Exception):
    """A question about the disk could not be answered; whoever asked must refuse."""


@dataclass(frozen=True)
class Disk:
    """A whole disk. `number` is "major:minor"; serials and WWNs are all the spellings the machine knows."""

    name: str
    path: str
    number: str
    size_bytes: int
    serials: tuple[str, ...]
    wwns: tuple[str, ...]

    def said(self) -> str:
        """Return the disk in words for a person."""
        serial = ", ".join(self.serials) or "none"
        wwn = f", WWN {', '.join(self.wwns)}" if self.wwns else ""
        return f"{self.path} (serial {serial}{wwn}, {self.size_bytes} bytes)"


class Host:
    """The machine's /sys, /dev, /proc, /etc and commands. Tests give loop devices an identity by subclassing."""

    disk_types = ("disk",)

    def __init__(self, sys: str = "/sys", dev: str = "/dev", proc: str = "/proc", root: str = "/") -> None:
        self.sys, self.dev, self.proc, self.root = sys, dev, proc, root

    def run(self, *argv: str, timeout_s: float = 60) -> tuple[int, str, str]:
        """Return exit code, stdout and stderr of a command; Unknown when it is missing or does not end."""
        try:
            done = subprocess.run(
                argv, capture_output=True, timeout=timeout_s, check=False, stdin=subprocess.DEVNULL,
                env={"LC_ALL": "C.UTF-8", "PATH": PATH, "BLKID_FILE": "/dev/null"},
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Unknown(f"{argv[0]} did not run: {error}") from error
        return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")

    def processes(self) -> list[str]:
        """Return the numbers of the processes; Unknown when /proc cannot be listed."""
        try:
            return [name for name in os.listdir(self.proc) if name.isdigit()]
        except OSError as error:
            raise Unknown(f"{self.proc}: {error.strerror}") from error

    def identity(self, name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the serials and WWNs of /sys/block/<name>."""
        block = f"{self.sys}/block/{name}"
        serials = [_attribute(f"{block}/serial"), _attribute(f"{block}/device/serial"),
                   _page80(f"{block}/device/vpd_pg80")]
        wwns = [_attribute(f"{block}/wwid"), _attribute(f"{block}/device/wwid")]
        for line in _attribute(f"/run/udev/data/b{_attribute(f'{block}/dev')}").splitlines():
            key, _, value = line.partition("=")
            if key == "E:ID_SERIAL_SHORT":
                serials.append(value.strip())
            elif key in ("E:ID_WWN", "E:ID_WWN_WITH_EXTENSION"):
                wwns.append(value.strip())
        return _distinct(serials), _distinct([plain_wwn(wwn) for wwn in wwns])

    def size_bytes(self, handle: int) -> int:
        """Return the size of an open block device."""
        return int(struct.unpack("Q", fcntl.ioctl(handle, BLKGETSIZE64, b"\0" * 8))[0])


def _attribute(path: str) -> str:
    """Return a /sys file's text; "" when the device has no such attribute (or does not answer for it)."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read().strip(" \n\0")
    except OSError:
        return ""


def _page80(path: str) -> str:
    """Return the unit serial number of a SCSI page 80h file (4 bytes of header), "" without one."""
    try:
        with open(path, "rb") as stream:
            page = stream.read(4096)
    except OSError:
        return ""
    length = int.from_bytes(page[2:4], "big")
    return page[4:4 + length].decode("ascii", "replace").strip(" \0")


def _distinct(values: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value for value in values if value))


def plain_wwn(wwn: str) -> str:
    """Return a WWN without its prefix (naa., eui., 0x, wwn-) and in small letters, as it is compared."""
    return re.sub(r"^(wwn-|nvme-)?(naa\.|eui\.|0x)?", "", wwn.strip().lower())


def observe_disks(host: Host) -> list[Disk]:
    """Return every block device in /sys/block that has a size; partitions and hidden paths are none. Unknown."""
    try:
        names = sorted(os.listdir(f"{host.sys}/block"))
    except OSError as error:
        raise Unknown(f"{host.sys}/block: {error.strerror}") from error
    disks = []
    for name in names:
        block = f"{host.sys}/block/{name}"
        sectors, number = _attribute(f"{block}/size"), _attribute(f"{block}/dev")
        if not sectors.isdigit() or int(sectors) == 0 or _attribute(f"{block}/hidden") == "1":
            continue
        serials, wwns = host.identity(name)
        path = f"{host.dev}/{name.replace('!', '/')}"
        disks.append(Disk(name, path, number, int(sectors) * SECTOR_BYTES, serials, wwns))
    return disks


def _matches(disk: Disk, serial: str, wwn: str) -> bool:
    return (not serial or serial in disk.serials) and (not wwn or plain_wwn(wwn) in disk.wwns)


def identify(disks: list[Disk], serial: str, wwn: str, size_bytes: int | None) -> Disk:
    """Return the one disk that carries the serial and the WWN (those given) and the exact size; else Refused."""
    name = " and ".join([f"serial {serial}"] * bool(serial) + [f"WWN {wwn}"] * bool(wwn))
    if not name:
        raise Refused("a data disk needs its serial or its WWN; `firstlight detect` prints both")
    named = [disk for disk in disks if _matches(disk, serial, wwn)]
    if not named:
        here = "; ".join(disk.said() for disk in disks if disk.serials or disk.wwns) or "none has a serial or a WWN"
        raise Refused(f"no disk with {name}; the disks here are: {here}")
    fitting = [disk for disk in named if size_bytes in (None, disk.size_bytes)]
    if not fitting:
        seen = "; ".join(disk.said() for disk in named)
        raise Refused(f"{name} is {seen}, but the profile says {size_bytes} bytes")
    if len(fitting) > 1:
        seen = "; ".join(disk.said() for disk in fitting)
        raise Refused(f"{len(fitting)} disks carry {name}: {seen}. Name one by serial, wwn and size together")
    return fitting[0]


def check_node(host: Host, disk: Disk, handle: int) -> None:
    """Raise Refused unless the open device is the disk that /sys describes: kind, number and size."""
    seen = os.fstat(handle)
    number = f"{os.major(seen.st_rdev)}:{os.minor(seen.st_rdev)}"
    if not stat.S_ISBLK(seen.st_mode) or number != disk.number:
        raise Refused(f"{disk.path} is not block device {disk.number} that /sys/block/{disk.name} describes")
    size = host.size_bytes(handle)
    if size != disk.size_bytes:
        raise Refused(f"{disk.path} has {size} bytes, but /sys says {disk.size_bytes}: it changed just now")
