"""The swap a machine has and is configured to have, and what is missing from what it should have."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ansible.module_utils.fstab import Entry, parse

ENOUGH = 0.9  # of the wanted size: existing swap of about the right size is adopted


@dataclass(frozen=True)
class Area:
    """A swap file or partition: real path, size and use in bytes."""

    path: str
    size_bytes: int
    used_bytes: int = 0


@dataclass(frozen=True)
class SwapFile:
    """What stands at our path. `is_swap`: it has mkswap's signature (believed when unreadable)."""

    size_bytes: int
    mode: int
    is_swap: bool


@dataclass(frozen=True)
class Plan:
    """What to do: make the file (anew), fix its mode, write its fstab line, switch areas on; or why not."""

    create: bool = False
    recreate: bool = False
    chmod: bool = False
    fstab: bool = False
    swapon: tuple[str, ...] = ()
    warning: str = ""
    refusal: str = ""


def parse_active(text: str) -> list[Area]:
    """Return the areas in /proc/swaps (KiB there); compressed memory (zram) is not swap space."""
    areas = []
    for line in text.splitlines()[1:]:
        fields = line.split()
        name = fields[0].encode().decode("unicode_escape") if fields else ""
        if len(fields) >= 5 and not name.startswith("/dev/zram"):
            areas.append(Area(os.path.realpath(name), int(fields[2]) << 10, int(fields[3]) << 10))
    return areas


def real_path(spec: str) -> str:
    """Return the file or device that an fstab spec names (UUID=, LABEL=, PARTUUID=, PARTLABEL= or a path)."""
    kind, _, value = spec.partition("=")
    if kind in ("UUID", "LABEL", "PARTUUID", "PARTLABEL"):
        value = value.strip('"')
        return os.path.realpath(f"/dev/disk/by-{kind.lower()}/{value}")
    return os.path.realpath(spec)


def size_of(path: str) -> int:
    """Return the size of a file or block device in bytes, 0 when it does not exist."""
    device = Path("/sys/class/block", os.path.basename(path), "size")
    try:
        if path.startswith("/dev/") and device.exists():
            return int(device.read_text("ascii")) * 512
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def configured(text: str) -> list[Entry]:
    """Return the swap lines of an fstab that are used at boot."""
    return [
        entry
        for entry in parse(text)
        if entry.fstype == "swap" and "noauto" not in entry.options.split(",")
    ]


def find_file(path: str) -> SwapFile | None:
    """Return what stands at our path, None for nothing. Raises OSError, ValueError for no plain file."""
    try:
        seen = os.lstat(path)
    except FileNotFoundError:
        return None
    if not os.path.isfile(path) or os.path.islink(path):
        raise ValueError(f"{path} exists and is not a plain file")
    if not os.access(path, os.R_OK):  # a plan made without root
        return SwapFile(seen.st_size, seen.st_mode & 0o777, True)
    with open(path, "rb") as stream:
        stream.seek(os.sysconf("SC_PAGE_SIZE") - 10)
        signed = stream.read(10) == b"SWAPSPACE2"
    return SwapFile(seen.st_size, seen.st_mode & 0o777, signed)


def judge(wanted: int, path: str, active: list[Area], boot: list[Area], file: SwapFile | None) -> Plan:
    """Return what is missing. `boot` are the areas of fstab that exist, by real path; all sizes in bytes.

    Whatever fstab names and is off is switched on. Areas other than ours that reach ENOUGH are adopted.
    """
    on = {area.path for area in active}
    off = tuple(area.path for area in boot if area.path not in on)
    others = {area.path: area.size_bytes for area in [*boot, *active] if area.path != path}
    if sum(others.values()) >= ENOUGH * wanted:
        return Plan(swapon=off)
    if file is None:
        swapon = tuple(dict.fromkeys((*off, path)))
        return Plan(create=True, fstab=path not in {area.path for area in boot}, swapon=swapon)
    if not file.is_swap:
        return Plan(
            refusal=f"{path} exists and is not a swap file; it is not ours to overwrite. "
            "Move it away, or give another system.swap.path."
        )
    missing = dict.fromkeys((*off, *(() if path in on else (path,))))
    plan = Plan(
        chmod=bool(file.mode & 0o077),
        fstab=path not in {area.path for area in boot},
        swapon=tuple(missing),
    )
    if sum(others.values()) + file.size_bytes >= ENOUGH * wanted:
        return plan
    used = next((area.used_bytes for area in active if area.path == path), 0)
    if used:
        warning = (
            f"{path} has {file.size_bytes >> 20} MiB and should have {wanted >> 20} MiB; "
            f"{used >> 20} MiB are in use, so it is left alone. Run again after a reboot."
        )
        return Plan(chmod=plan.chmod, fstab=plan.fstab, swapon=plan.swapon, warning=warning)
    return Plan(create=True, recreate=True, fstab=plan.fstab, swapon=tuple(dict.fromkeys((*off, path))))


def room_error(path: str, wanted: int, free: int, total: int) -> str:
    """Return why a file of `wanted` bytes must not be made, or ""; a tenth or 5 GiB stay free, the lesser."""
    keep = min(total // 10, 5 << 30)
    if free - wanted >= keep:
        return ""
    return (
        f"{path}: {wanted >> 20} MiB are wanted, {free >> 20} MiB are free, {keep >> 20} MiB must stay free. "
        "Make room, or give a smaller system.swap.size or another system.swap.path."
    )
