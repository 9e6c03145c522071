"""Where packages come from: sources, pins, keys, settings of apt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.drift.area import Area
from agent.drift.digests import file_digests
from agent.drift.texts import file_values, folder_values, names_in

if TYPE_CHECKING:
    from agent.machine.api import Machine

_KEYS = ("/etc/apt/trusted.gpg.d", "/etc/apt/keyrings", "/usr/share/keyrings")


def observe_sources(machine: Machine) -> dict[str, str]:
    """Return what each file of sources says."""
    found = dict(file_values(machine, ["/etc/apt/sources.list"]))
    return found | {
        path: value
        for path, value in folder_values(machine, "/etc/apt/sources.list.d")
        if path.endswith((".list", ".sources"))
    }


def observe_pins(machine: Machine) -> dict[str, str]:
    """Return what each file of preferences says."""
    return dict(file_values(machine, ["/etc/apt/preferences"])) | dict(
        folder_values(machine, "/etc/apt/preferences.d")
    )


def observe_settings(machine: Machine) -> dict[str, str]:
    """Return what each of apt's own files says."""
    own = file_values(machine, ["/etc/apt/apt.conf"], "#/")
    return dict(own) | dict(folder_values(machine, "/etc/apt/apt.conf.d", comments="#/"))


def observe_keys(machine: Machine) -> dict[str, str]:
    """Return a digest of each key file."""
    return file_digests(
        machine, [f"{folder}/{name}" for folder in _KEYS for name in names_in(machine, folder)]
    )


AREAS = (
    Area("apt-source", "apt sources", observe_sources),
    Area("apt-pin", "apt pins", observe_pins),
    Area("apt-setting", "apt settings", observe_settings),
    Area("apt-key", "apt keys", observe_keys),
)
