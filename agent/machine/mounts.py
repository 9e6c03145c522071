"""Mounted filesystems, fstab and active swap."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from agent.model.errors import Missing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.machine.api import Machine

DISK_FILESYSTEMS = frozenset(
    {
        "ext2",
        "ext3",
        "ext4",
        "xfs",
        "btrfs",
        "f2fs",
        "zfs",
        "vfat",
        "exfat",
        "ntfs",
        "ntfs3",
        "bcachefs",
        "jfs",
        "reiserfs",
        "fuseblk",
    }
)
FSTAB = "/etc/fstab"
MOUNTINFO = "/proc/self/mountinfo"


class Mount(NamedTuple):
    """A line of mountinfo. `options` are the mount's own, `super_options` the filesystem's."""

    device: str
    root: str
    point: str
    options: tuple[str, ...]
    fstype: str
    source: str
    super_options: tuple[str, ...]

    @property
    def all_options(self) -> tuple[str, ...]:
        """Mount and filesystem options, each once."""
        return tuple(dict.fromkeys((*self.options, *self.super_options)))

    @property
    def read_only(self) -> bool:
        """Whether writing is refused by the mount or by the filesystem."""
        return "ro" in self.options or "ro" in self.super_options


class FstabEntry(NamedTuple):
    """A line of fstab; `line` counts from 1."""

    line: int
    spec: str
    point: str
    fstype: str
    options: tuple[str, ...]
    text: str


class Swap(NamedTuple):
    """An active swap area: a file or a partition."""

    path: str
    kind: str
    size_bytes: int
    used_bytes: int


def _unescape(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def parse_mountinfo(text: str) -> list[Mount]:
    """Return the mounts, in the kernel's order (a later one at the same point hides an earlier one)."""
    mounts = []
    for line in text.splitlines():
        left, dash, right = line.partition(" - ")
        fields, after = left.split(" "), right.split(" ")
        if not dash or len(fields) < 6 or len(after) < 3:
            continue
        mounts.append(Mount(
            device=fields[2], root=_unescape(fields[3]), point=_unescape(fields[4]),
            options=tuple(fields[5].split(",")), fstype=after[0], source=_unescape(after[1]),
            super_options=tuple(after[2].split(",")),
        ))
    return mounts


def observe_mounts(machine: Machine) -> list[Mount]:
    """Return every mount of this machine."""
    return parse_mountinfo(machine.read(MOUNTINFO))


def find_mount(mounts: list[Mount], point: str) -> Mount | None:
    """Return what is mounted at exactly `point` (the topmost), if anything."""
    return next((mount for mount in reversed(mounts) if mount.point == point), None)


def containing_mount(mounts: list[Mount], path: str) -> Mount | None:
    """Return the mount that holds `path`."""
    inside = [m for m in mounts if path == m.point or path.startswith(m.point.rstrip("/") + "/")]
    return max(reversed(inside), key=lambda mount: len(mount.point), default=None)


def observe_disk_mounts(machine: Machine) -> list[Mount]:
    """Return one mount for each local disk filesystem, and `/` whatever it is.

    Bind mounts of the same filesystem and mounts over single files (as containers have) are left out.
    """
    chosen: dict[str, Mount] = {}
    for mount in observe_mounts(machine):
        if mount.point != "/" and mount.fstype not in DISK_FILESYSTEMS:
            continue
        if mount.root != "/" and mount.fstype != "btrfs" and not _is_folder(machine, mount.point):
            continue
        known = chosen.get(mount.device)
        if known is None or (len(mount.point), mount.point) < (len(known.point), known.point):
            chosen[mount.device] = mount
    return sorted(chosen.values(), key=lambda mount: mount.point)


def _is_folder(machine: Machine, path: str) -> bool:
    try:
        return machine.status(path).kind == "directory"
    except Missing:  # hidden under another mount
        return False


def parse_fstab(text: str) -> list[FstabEntry]:
    """Return the entries of an fstab; comments and lines of fewer than three fields are skipped."""
    entries = []
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.split()
        if len(fields) < 3 or fields[0].startswith("#"):
            continue
        options = tuple(fields[3].split(",")) if len(fields) > 3 else ("defaults",)
        entries.append(
            FstabEntry(number, _unescape(fields[0]), _unescape(fields[1]), fields[2], options, line)
        )
    return entries


def observe_fstab(machine: Machine) -> list[FstabEntry]:
    """Return the entries of /etc/fstab; none when there is no such file."""
    try:
        return parse_fstab(machine.read(FSTAB))
    except Missing:
        return []


def parse_swaps(text: str) -> list[Swap]:
    """Return the active swap areas of /proc/swaps (sizes there are KiB)."""
    rows = (line.split() for line in text.splitlines()[1:])
    return [
        Swap(_unescape(row[0]), row[1], int(row[2]) << 10, int(row[3]) << 10) for row in rows if len(row) >= 4
    ]


def observe_swaps(machine: Machine) -> list[Swap]:
    """Return the active swap areas; none on a kernel without swap."""
    try:
        return parse_swaps(machine.read("/proc/swaps"))
    except Missing:
        return []


# Options the kernel shows only by the absence of their opposite, and options that it never sees.
_OPPOSITES = {
    "dev": "nodev", "suid": "nosuid", "exec": "noexec", "async": "sync", "rw": "ro", "nodiscard": "discard",
    "diratime": "nodiratime", "nolazytime": "lazytime", "nolargeio": "largeio",
}
_UNSEEN = frozenset(
    {"defaults", "auto", "noauto", "user", "nouser", "users", "group", "owner", "_netdev", "nofail"}
)


def plain_option(option: str) -> str:
    """Return an option with its size in bytes (logbsize=256k = logbsize=262144), as options are compared."""
    name, equals, value = option.partition("=")
    number = re.fullmatch(r"(\d+)([kKmMgG]?)", value)
    if not equals or number is None:
        return option
    return f"{name}={int(number[1]) << {'': 0, 'k': 10, 'm': 20, 'g': 30}[number[2].lower()]}"


def missing_options(wanted: Iterable[str], in_force: Iterable[str]) -> list[str]:
    """Return the wanted mount options that the kernel does not show in force."""
    have = {plain_option(option) for option in in_force}
    missing = []
    for option in wanted:
        if option in _UNSEEN or option.startswith(("x-", "comment=")):
            continue
        if option in _OPPOSITES:
            held = _OPPOSITES[option] not in have
        elif option == "strictatime":
            held = not have & {"noatime", "relatime"}
        else:
            held = plain_option(option) in have
        if not held:
            missing.append(option)
    return missing
