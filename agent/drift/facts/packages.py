"""Installed packages and what holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.drift.area import Area
from agent.machine.apt import STATUS_FILE, installed, observe_packages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.machine.api import Machine


def observe_versions(machine: Machine) -> dict[str, str]:
    """Return the version of each package that is there; its state too when it is not simply installed."""
    packages = observe_packages(machine)
    return {
        name: package.version if package.state == "installed" else f"{package.version} ({package.state})"
        for name, package in packages.items()
        if installed(packages, name)
    }


def observe_holds(machine: Machine) -> dict[str, str]:
    """Return the packages apt may not move."""
    return {name: "held" for name, package in observe_packages(machine).items() if package.wanted == "hold"}


def _status_file(key: str, before: str, after: str) -> Sequence[str]:
    return (STATUS_FILE,)


AREAS = (
    Area("package", "installed packages", observe_versions, places=_status_file),
    Area("package-hold", "held packages", observe_holds, places=_status_file),
)
