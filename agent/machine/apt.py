"""Installed packages and the configuration of apt, read without running dpkg."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

from agent.model.errors import Missing

if TYPE_CHECKING:
    from agent.machine.api import Machine

STATUS_FILE = "/var/lib/dpkg/status"
UPDATES_FOLDER = "/var/lib/dpkg/updates"
BLACKLIST = "Unattended-Upgrade::Package-Blacklist"
LOCK_TIMEOUT = "DPkg::Lock::Timeout"
_LIMIT_BYTES = 64 << 20


class Package(NamedTuple):
    """A package as dpkg knows it. `wanted`: install, hold, deinstall, purge. `state`: installed, config-
    files, …
    """

    name: str
    version: str
    architecture: str
    wanted: str
    flag: str
    state: str


def parse_status(text: str) -> dict[str, Package]:
    """Return the packages of a dpkg status file by name; a second architecture's is named
    `name:architecture`.
    """
    packages: dict[str, Package] = {}
    for block in text.split("\n\n"):
        name, status = _field(block, "Package"), _field(block, "Status").split()
        if not name or len(status) != 3:
            continue
        package = Package(name, _field(block, "Version"), _field(block, "Architecture"), *status)
        key = name if name not in packages else f"{name}:{package.architecture}"
        packages[key] = package
    return packages


_parsed = functools.lru_cache(maxsize=1)(parse_status)


def _field(block: str, name: str) -> str:
    if block.startswith(f"{name}: "):
        start = len(name) + 2
    else:
        start = block.find(f"\n{name}: ")
        if start < 0:
            return ""
        start += len(name) + 3
    end = block.find("\n", start)
    return block[start:] if end < 0 else block[start:end]


def observe_packages(machine: Machine) -> dict[str, Package]:
    """Return every package dpkg knows, by name, not to be changed. Raises Missing on a machine without dpkg."""
    return _parsed(machine.read(STATUS_FILE, limit_bytes=_LIMIT_BYTES))


def installed(packages: dict[str, Package], name: str) -> bool:
    """Return whether a package is there; one that is half done is (system.dpkg-audit tells of that)."""
    return name in packages and packages[name].state not in {"config-files", "not-installed"}


def observe_interrupted(machine: Machine) -> tuple[str, ...]:
    """Return the journal files an interrupted dpkg left behind (numbered files in its updates folder)."""
    try:
        return tuple(name for name in machine.listing(UPDATES_FOLDER) if name.isdigit())
    except Missing:
        return ()


def settings_argv() -> tuple[str, ...]:
    """Return the command that prints the settings of apt that a profile makes, `KEY VALUE` a line.

    Told which architectures there are, it does not start dpkg to ask: half its time, and no setting of these.
    """
    return ("apt-config", "dump", "--no-empty", "--format", "%f %v%n", "-o", "APT::Architectures=all",
            LOCK_TIMEOUT, BLACKLIST)


def observe_settings(machine: Machine) -> dict[str, tuple[str, ...]]:
    """Return the values of each setting, as apt itself reads its configuration; a list's key ends in `::`."""
    found: dict[str, tuple[str, ...]] = {}
    for line in machine.run(settings_argv()).out.splitlines():
        key, blank, value = line.partition(" ")
        if blank:
            found[key] = (*found.get(key, ()), value)
    return found


def observe_blacklist(machine: Machine) -> tuple[str, ...]:
    """Return the patterns unattended-upgrades never upgrades."""
    return observe_settings(machine).get(f"{BLACKLIST}::", ())
