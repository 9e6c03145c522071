"""What dpkg has installed, left half done, and who holds its locks."""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path

LOCKS = (
    "/var/lib/dpkg/lock-frontend",
    "/var/lib/dpkg/lock",
    "/var/lib/apt/lists/lock",
    "/var/cache/apt/archives/lock",
)
# apt 3.0, while it waits to try an item again, adds a warning to a list in an endless loop: without a network it took
# 10 GB in minutes. So it tries once, and who calls it tries again.
WAIT_S = os.environ.get("FIRSTLIGHT_APT_WAIT_S", "600")  # site.yml gives the profile's base.apt_lock_timeout_s
APT_GET = ("apt-get", "-q", "-y", "-o", f"DPkg::Lock::Timeout={WAIT_S}", "-o", "Acquire::Retries=0")
FETCH_FAILED = "Failed to fetch"
FORMAT = "-f=${db:Status-Abbrev}\\t${binary:Package}\\n"
_HALF = {
    "H": "half-installed",
    "U": "unpacked",
    "F": "half-configured",
    "W": "triggers-awaited",
    "t": "triggers-pending",
}


def parse_states(text: str) -> dict[str, str]:
    """Return `dpkg-query` status letters ("ii ", "iF ", "iHR") by package, without architecture."""
    rows = (line.split("\t", 1) for line in text.splitlines() if "\t" in line)
    return {name.split(":")[0]: state for state, name in rows}


def half_done(states: dict[str, str]) -> dict[str, str]:
    """Return, by package, what is unfinished: half-configured, unpacked, …"""
    return {name: _HALF[state[1]] for name, state in sorted(states.items()) if state[1:2] in _HALF}


def need_reinstall(states: dict[str, str]) -> list[str]:
    """Return the packages that `dpkg --configure -a` cannot finish: half-installed or to be reinstalled."""
    return sorted(name for name, state in states.items() if state[1:2] == "H" or state[2:3] == "R")


def half_removed(states: dict[str, str]) -> list[str]:
    """Return the packages whose removal was interrupted: half-installed, and nobody wants them installed."""
    return sorted(name for name, state in states.items() if state[1:2] == "H" and state[:1] in "rp")


def interrupted(folder: str = "/var/lib/dpkg/updates") -> bool:
    """Return whether dpkg was killed: its journal is not empty."""
    try:
        return any(name.isdigit() for name in os.listdir(folder))
    except FileNotFoundError:
        return False


def lock_holder(path: str) -> int:
    """Return the process that holds a lock, 0 for nobody or no such file; takes no lock. Raises OSError."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    try:
        asked = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        kind, _, _, _, process = struct.unpack("hhqqi", fcntl.fcntl(handle, fcntl.F_GETLK, asked))
    finally:
        os.close(handle)
    return 0 if kind == fcntl.F_UNLCK else process


def holders(locks: tuple[str, ...] = LOCKS) -> list[str]:
    """Return who holds apt's and dpkg's locks, as `apt-get (process 123)`, as far as we may look."""
    found = {}
    for path in locks:
        try:
            process = lock_holder(path)
        except PermissionError:
            continue
        if process:
            found[process] = f"{_name(process)} (process {process})"
    return sorted(found.values())


def _name(process: int) -> str:
    try:
        words = Path(f"/proc/{process}/cmdline").read_text("utf-8", "replace").split("\0")
    except OSError:
        return "a process"
    return " ".join(" ".join(words).split())[:60] or "a process"
