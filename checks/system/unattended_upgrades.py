"""Whether unattended upgrades keep their hands off the driver."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.check import Check, Outcome, failed, not_applicable, passed
from agent.machine.apt import BLACKLIST, installed, observe_blacklist, observe_packages
from agent.model.errors import Missing
from agent.model.finding import Evidence, Remedy

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile


def observe(machine: Machine, profile: ResolvedProfile) -> tuple[str, ...] | None:
    """Return the blacklist apt has in force; None when unattended-upgrades is not installed or not asked
    for.
    """
    part = profile.profile.system.base
    if not part.enabled or not part.upgrade_blacklist:
        return None
    try:
        packages = observe_packages(machine)
    except Missing:
        return None
    return observe_blacklist(machine) if installed(packages, "unattended-upgrades") else None


def judge(seen: tuple[str, ...] | None, profile: ResolvedProfile) -> list[Outcome]:
    """Every pattern of the profile must be in the list in force."""
    part = profile.profile.system.base
    if not part.enabled or not part.upgrade_blacklist:
        return [not_applicable("The profile keeps nothing from unattended upgrades.")]
    if seen is None:
        return [not_applicable("unattended-upgrades is not installed.")]
    evidence = [Evidence(f"apt-config dump {BLACKLIST}", seen)]
    missing = [pattern for pattern in part.upgrade_blacklist if pattern not in seen]
    if missing:
        return [failed(f"Unattended upgrades may replace packages that match {', '.join(missing)}.",
                       seen=", ".join(seen) or "empty", expected=", ".join(part.upgrade_blacklist),
                       evidence=evidence)]
    return [passed("Unattended upgrades leave alone what the profile names.",
                   expected=", ".join(part.upgrade_blacklist), evidence=evidence)]


CHECK = Check(
    title="Unattended upgrades",
    why="A driver replaced overnight no longer fits the loaded module: every GPU program fails until "
        "a reboot.",
    observe=observe,
    judge=judge,
    remedy=Remedy(role="base"),
)
