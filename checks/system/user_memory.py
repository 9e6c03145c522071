"""Memory kept for people's shells: MemoryMin= of user.slice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.check import Check, Outcome, failed, not_applicable, passed
from agent.machine.systemd import Properties, observe_units, parse_limit
from agent.model.finding import Evidence, Remedy
from agent.model.units import format_size

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile


def observe(machine: Machine, profile: ResolvedProfile) -> Properties | None:
    """Ask systemd for user.slice."""
    part = profile.profile.system.slice
    if not part.enabled or not part.user_memory_min:
        return None
    return observe_units(machine, ("user.slice",))["user.slice"]


def judge(seen: Properties | None, profile: ResolvedProfile) -> list[Outcome]:
    """At least the wanted memory must be protected."""
    if seen is None:
        return [not_applicable("The profile keeps no memory for logins.")]
    wanted = profile.profile.system.slice.user_memory_min
    text = seen.get("MemoryMin", "")
    found = parse_limit(text) if text and text != "[not set]" else 0
    evidence = [
        Evidence("systemctl show user.slice", (f"MemoryMin={text}", *seen.get("DropInPaths", "").split()))
    ]
    shown = "all memory" if found is None else format_size(found)
    if found is None or found >= wanted:
        return [passed(f"{shown} is kept for logins.", subject="user.slice", seen=shown,
                       expected=format_size(wanted), evidence=evidence)]
    return [
        failed(
            f"{shown} is kept for logins; the profile wants {format_size(wanted)}.",
            subject="user.slice",
            seen=shown,
            expected=format_size(wanted),
            evidence=evidence,
        )
    ]


CHECK = Check(
    title="Memory kept for logins",
    why="GPU memory on a unified-memory machine is not seen by slice limits; this keeps the shell reachable.",
    observe=observe,
    judge=judge,
    remedy=Remedy(role="slice"),
)
