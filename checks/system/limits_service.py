"""The open-files limit systemd gives to services that set none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.check import Check, Outcome, failed, not_applicable, passed
from agent.machine.systemd import Properties, observe_manager, parse_limit
from agent.model.finding import Evidence, Remedy

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.profile import ResolvedProfile

HARD, SOFT = "DefaultLimitNOFILE", "DefaultLimitNOFILESoft"


def observe(machine: Machine, profile: ResolvedProfile) -> Properties | None:
    """Ask systemd for its defaults."""
    return observe_manager(machine) if profile.profile.system.limits.enabled else None


def judge(seen: Properties | None, profile: ResolvedProfile) -> list[Outcome]:
    """Both limits must be at least what the profile wants."""
    if seen is None:
        return [not_applicable("The profile leaves service limits alone.")]
    wanted = profile.profile.system.limits.nofile
    text = f"soft {seen.get(SOFT, 'not set')}, hard {seen.get(HARD, 'not set')}"
    evidence = [Evidence(f"systemctl show -p {HARD},{SOFT}", (text,))]
    limits = [parse_limit(seen[name]) for name in (SOFT, HARD) if name in seen]
    if len(limits) == 2 and all(limit is None or limit >= wanted for limit in limits):
        return [passed(f"systemd gives services {text} open files.", seen=text, expected=str(wanted),
                       evidence=evidence)]
    return [failed(f"systemd gives services fewer than {wanted} open files: {text}.", seen=text,
                   expected=str(wanted), evidence=evidence)]


CHECK = Check(
    title="Limits for services",
    why="Jobs started by systemd never pass through PAM: their limit is systemd's default, 1024 soft.",
    observe=observe,
    judge=judge,
    remedy=Remedy(role="limits"),
)
