"""Kernel settings that will hold after the next boot, and the file that decides each."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Outcome, failed, not_applicable, passed
from agent.machine.sysctl import Setting, normalise, observe_boot_settings, proc_path
from agent.model.errors import Missing
from agent.model.finding import Evidence, Remedy

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile

LAST = "zz-firstlight.conf"  # what the role answers a later file with


class Seen(NamedTuple):
    """`winners`: the assignment that decides each key at boot. `floors`: what floor keys are now (None:
    absent).
    """

    winners: dict[str, Setting]
    floors: dict[str, int | None]


def observe(machine: Machine, profile: ResolvedProfile) -> Seen | None:
    """Read the sysctl.d files in the order systemd-sysctl applies them."""
    part = profile.profile.kernel.sysctl
    if not part.enabled:
        return None
    live: dict[str, int | None] = {}
    for key in part.floors:
        try:
            live[key] = int(machine.read(proc_path(key)))
        except Missing:
            live[key] = None
    return Seen(observe_boot_settings(machine), live)


def judge(seen: Seen | None, profile: ResolvedProfile) -> list[Outcome]:
    """One failure per key that a reboot would set wrong."""
    part = profile.profile.kernel.sysctl
    if seen is None or not (part.values or part.floors):
        return [not_applicable("The profile sets no kernel settings.")]
    outcomes = []
    for key, value in part.values.items():
        winner = seen.winners.get(key)
        if winner is None or winner.value != normalise(value):
            outcomes.append(deviation(key, winner, normalise(value)))
    for key, floor in part.floors.items():
        winner = seen.winners.get(key)
        if not floor_holds(winner, floor, seen.floors[key]):
            outcomes.append(deviation(key, winner, f"at least {floor}"))
    if outcomes:
        return outcomes
    lines = [f"{key} = {seen.winners[key].value}  ({seen.winners[key].place})"
             for key in (*part.values, *part.floors) if key in seen.winners]
    return [passed("All kernel settings will be the same after a reboot.",
                   evidence=[Evidence("sysctl.d", tuple(lines))])]


def floor_holds(winner: Setting | None, floor: int, live: int | None) -> bool:
    """Return whether a floor survives a reboot.

    Without a file it does only if the kernel or systemd gave more than the floor by itself: exactly the floor
    is what we would have set, and that would be gone.
    """
    if winner is None:
        return live is not None and live > floor
    return winner.value.isdigit() and int(winner.value) >= floor


def deviation(key: str, winner: Setting | None, wanted: str) -> Outcome:
    """Return the failure of one key, with the file that decides it."""
    if winner is None:
        return failed(f"No file sets {key}: a reboot loses it. The profile wants {wanted}.", subject=key,
                      seen="not set", expected=wanted)
    summary = (
        f"After a reboot {key} will be {winner.value}, set by {winner.place}; the profile wants {wanted}."
    )
    steps = () if winner.path.rpartition("/")[2] <= LAST else (
        f"Take {key} out of {winner.path}: it is read after anything we can write.",)
    return failed(summary, subject=key, seen=f"{winner.value} ({winner.place})", expected=wanted,
                  evidence=[Evidence(winner.place, (f"{winner.key} = {winner.value}",))],
                  remedy=Remedy(role="sysctl", steps=steps))


CHECK = Check(
    title="Kernel settings after a reboot",
    why="A setting made by hand, or overridden by a file that sorts later, is gone after the next boot.",
    observe=observe,
    judge=judge,
    remedy=Remedy(role="sysctl"),
)
