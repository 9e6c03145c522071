"""The packages every machine of this profile has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.check import Check, Outcome, failed, not_applicable, passed
from agent.machine.apt import STATUS_FILE, installed, observe_packages
from agent.model.errors import Missing
from agent.model.finding import Evidence, Remedy

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile


def observe(machine: Machine, profile: ResolvedProfile) -> dict[str, str] | None:
    """Return the version of each wanted package ("" = not installed); None when there is nothing to look
    at.
    """
    part = profile.profile.system.base
    if not part.enabled or not part.packages:
        return None
    try:
        packages = observe_packages(machine)
    except Missing:
        return None
    return {name: packages[name].version if installed(packages, name) else "" for name in part.packages}


def judge(seen: dict[str, str] | None, profile: ResolvedProfile) -> list[Outcome]:
    """One failure that names what is missing."""
    part = profile.profile.system.base
    if not part.enabled or not part.packages:
        return [not_applicable("The profile names no packages.")]
    if seen is None:
        return [not_applicable("This machine has no dpkg.")]
    missing = [name for name, version in seen.items() if not version]
    if missing:
        return [failed(f"Not installed: {', '.join(missing)}.", seen="absent", expected=", ".join(missing),
                       evidence=[Evidence(STATUS_FILE, tuple(f"{name}: not installed" for name in missing))])]
    return [passed(f"All {len(seen)} packages of the profile are installed.",
                   evidence=[Evidence(STATUS_FILE, tuple(f"{n} {version}" for n, version in seen.items()))])]


CHECK = Check(
    title="Packages of the profile",
    why="Other roles and checks need these tools; without them some things can only be answered by "
        "“unknown”.",
    observe=observe,
    judge=judge,
    remedy=Remedy(role="base"),
)
