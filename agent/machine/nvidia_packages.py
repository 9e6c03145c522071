"""Packages of driver, CUDA, cuDNN and profilers, found in dpkg's file without reading the rest of it."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

from agent.machine.apt import STATUS_FILE, Package, installed, parse_status
from agent.model.errors import Missing

if TYPE_CHECKING:
    from agent.machine.api import Machine

_LIMIT_BYTES = 64 << 20
_SOURCES = "/etc/apt/sources.list.d"
_PREFERENCES = "/etc/apt/preferences.d"
NVIDIA_REPOSITORY = re.compile(r"^[^#\n]*developer\.download\.nvidia\.com/compute/cuda/repos", re.MULTILINE)
# Begins with plain bytes, which re looks for ten times faster than for the beginning of a line.
_BLOCK = re.compile(
    rb"\nPackage: (?=(?:lib)?(?:nvidia|cuda|cudnn)|nsight-systems|linux-(?:modules|objects|signatures)-nvidia)"
)
_UPSTREAM = re.compile(r"(?:\d+:)?(\d+(?:\.\d+)+)")


@functools.lru_cache(maxsize=2)
def _parsed(status: bytes) -> dict[str, Package]:
    blocks, status = [], b"\n" + status
    for found in _BLOCK.finditer(status):
        end = status.find(b"\n\n", found.start() + 1)
        blocks.append(status[found.start() + 1 : end if end >= 0 else len(status)])
    packages = parse_status(b"\n\n".join(blocks).decode(errors="replace"))
    return {name: package for name, package in packages.items() if installed(packages, name)}


def observe_nvidia_packages(machine: Machine) -> dict[str, Package]:
    """Return the installed packages of NVIDIA's software by name, not to be changed. Missing without dpkg."""
    return _parsed(machine.read_bytes(STATUS_FILE, limit_bytes=_LIMIT_BYTES))


def upstream_of(version: str) -> str:
    """Return the version without epoch and packaging: `1:580.95.05-0ubuntu1` is 580.95.05."""
    found = _UPSTREAM.match(version)
    return found[1] if found else ""


def uses_nvidia_repository(machine: Machine) -> bool:
    """Return whether apt takes packages from NVIDIA's CUDA and driver repository."""
    return any(NVIDIA_REPOSITORY.search(text) for text in _texts(machine, _SOURCES, (".list", ".sources")))


def pinning_files(machine: Machine) -> tuple[str, ...]:
    """Return the texts of the apt preferences that speak of NVIDIA's packages."""
    return tuple(text for text in _texts(machine, _PREFERENCES, ("",)) if "nvidia" in text or "cuda" in text)


def _texts(machine: Machine, folder: str, endings: tuple[str, ...]) -> list[str]:
    try:
        names = machine.listing(folder)
    except Missing:
        return []
    found = []
    for name in names:
        if name.endswith(endings):
            try:
                found.append(machine.read(f"{folder}/{name}"))
            except Missing:
                continue
    return found
