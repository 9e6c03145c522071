"""Whether a package asked for a reboot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.check import Check, Outcome, passed, warned
from agent.machine.kernels import REBOOT_MARKER
from agent.model.errors import Missing
from agent.model.finding import Evidence, Remedy

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile


def observe(machine: Machine, profile: ResolvedProfile) -> tuple[str, ...] | None:
    """Return the packages that ask for a reboot; None when nothing does."""
    if not machine.exists(REBOOT_MARKER):
        return None
    try:
        return tuple(dict.fromkeys(machine.read(f"{REBOOT_MARKER}.pkgs").split()))
    except Missing:
        return ()


def judge(seen: tuple[str, ...] | None, profile: ResolvedProfile) -> list[Outcome]:
    """Warn while the marker stands."""
    if seen is None:
        return [passed("No package asks for a reboot.", evidence=[Evidence(REBOOT_MARKER, ("absent",))])]
    who = f" because of {', '.join(seen[:5])}{' …' if len(seen) > 5 else ''}" if seen else ""
    return [warned(f"A reboot is pending{who}.", seen=", ".join(seen),
                   evidence=[Evidence(f"{REBOOT_MARKER}.pkgs", seen[:20])])]


CHECK = Check(
    title="Reboot pending",
    why="Until the reboot, old code keeps running beside new files; that is how driver and library "
        "fall apart.",
    observe=observe,
    judge=judge,
    remedy=Remedy(steps=("Wait for running jobs to end.", "Reboot.")),
)
