"""How long apt waits for its locks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.check import Check, Outcome, failed, not_applicable, passed
from agent.machine.apt import LOCK_TIMEOUT, observe_settings
from agent.model.errors import Missing
from agent.model.finding import Evidence, Remedy

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile


def observe(machine: Machine, profile: ResolvedProfile) -> str | None:
    """Return the seconds apt waits as it says them, "" for its own default; None when there is nothing to look at."""
    if not profile.profile.system.base.enabled:
        return None
    try:
        return (observe_settings(machine).get(LOCK_TIMEOUT) or ("",))[-1]
    except Missing:
        return None


def judge(seen: str | None, profile: ResolvedProfile) -> list[Outcome]:
    """As long as the profile says."""
    if seen is None:
        return [not_applicable("The profile leaves apt alone here, or there is no apt.")]
    wanted = str(profile.profile.system.base.apt_lock_timeout_s)
    evidence = [Evidence(f"apt-config dump {LOCK_TIMEOUT}", (seen,))]
    if seen != wanted:
        told = f"{seen} s" if seen else "not at all"
        return [failed(f"apt waits {told} for its locks; the profile wants {wanted} s.", seen=seen or "not set",
                       expected=wanted, evidence=evidence)]
    return [passed(f"apt waits {seen} s for its locks.", seen=seen, expected=wanted, evidence=evidence)]


CHECK = Check(
    title="apt's locks",
    why="While unattended upgrades hold the lock every other apt fails at once, unless it was told to wait.",
    observe=observe,
    judge=judge,
    remedy=Remedy(role="base"),
)
