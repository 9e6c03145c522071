"""Which CUDA, driver libraries and alternatives the links point at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.drift.area import Area
from agent.drift.texts import names_in

if TYPE_CHECKING:
    from agent.machine.api import Machine

_FOLDERS = {"/usr/local": ("cuda",), "/etc/alternatives": ("cuda", "nvidia", "glx", "libcud")}


def observe_links(machine: Machine) -> dict[str, str]:
    """Return the target of each link (`folder` for a real folder such as /usr/local/cuda-12.8)."""
    found: dict[str, str] = {}
    for folder, starts in _FOLDERS.items():
        for name in names_in(machine, folder):
            if name.startswith(starts):
                status = machine.status(f"{folder}/{name}")
                found[f"{folder}/{name}"] = status.target if status.kind == "link" else "folder"
    return found


AREAS = (Area("cuda-link", "CUDA links", observe_links),)
