"""Kernel settings in force now, against the profile's values and floors."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Outcome, failed, not_applicable, passed, unknown, warned
from agent.machine.mounts import find_mount, observe_mounts
from agent.machine.sysctl import normalise, proc_path
from agent.machine.systemd import find_container
from agent.model.errors import Missing, Unobservable
from agent.model.finding import Evidence, Remedy

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile


class Seen(NamedTuple):
    """`live`: value by key, None = the kernel has no such key. `fixed`: keys that only a container's host
    can set.
    """

    live: dict[str, str | None]
    unreadable: dict[str, str]
    fixed: frozenset[str]
    container: str


def observe(machine: Machine, profile: ResolvedProfile) -> Seen | None:
    """Read each key the profile names from /proc/sys."""
    part = profile.profile.kernel.sysctl
    if not part.enabled:
        return None
    live: dict[str, str | None] = {}
    unreadable: dict[str, str] = {}
    for key in (*part.values, *part.floors):
        try:
            live[key] = normalise(machine.read(proc_path(key)))
        except Missing:
            live[key] = None
        except Unobservable as error:
            unreadable[key] = error.message
    container = find_container(machine)
    return Seen(live, unreadable, observe_fixed(machine, live) if container else frozenset(), container)


def observe_fixed(machine: Machine, live: dict[str, str | None]) -> frozenset[str]:
    """Return the keys this container cannot write: all where /proc/sys is read-only, else those without a
    write bit.
    """
    mount = find_mount(observe_mounts(machine), "/proc/sys")
    if mount is not None and mount.read_only:
        return frozenset(live)
    return frozenset(key for key, value in live.items()
                     if value is None or not machine.status(proc_path(key)).mode & 0o200)


def judge(seen: Seen | None, profile: ResolvedProfile) -> list[Outcome]:
    """One failure per deviating key; one pass when nothing deviates."""
    part = profile.profile.kernel.sysctl
    if seen is None or not (part.values or part.floors):
        return [not_applicable("The profile sets no kernel settings.")]
    outcomes = [
        unknown(f"{key} could not be read: {why}", subject=key) for key, why in seen.unreadable.items()
    ]
    for key, value in seen.live.items():
        wanted = part.floors.get(key, part.values.get(key))
        outcomes += judge_key(key, value, normalise(wanted), seen, floor=key in part.floors)
    if outcomes:
        return outcomes
    return [
        passed(
            f"All {len(seen.live)} kernel settings are as the profile wants them.",
            evidence=[Evidence("/proc/sys", tuple(f"{key} = {value}" for key, value in seen.live.items()))],
        )
    ]


def judge_key(key: str, value: str | None, wanted: str, seen: Seen, *, floor: bool) -> list[Outcome]:
    """Return what is wrong with one key; nothing when it is right."""
    if value is not None and (value == wanted or (floor and int(value) >= int(wanted))):
        return []
    if key in seen.fixed:
        return [not_applicable(f"{key} belongs to the host of this {seen.container} container; "
                               "it cannot be set here.", subject=key)]
    if value is None:
        return [
            warned(
                f"This kernel has no setting {key}.",
                subject=key,
                seen="absent",
                expected=wanted,
                remedy=Remedy(steps=(f"Load the module that brings {key}, or take it out of the profile.",)),
            )
        ]
    return [
        failed(
            f"{key} is {value}; the profile wants {'at least ' if floor else ''}{wanted}.",
            subject=key,
            seen=value,
            expected=f"≥ {wanted}" if floor else wanted,
            evidence=[Evidence(proc_path(key), (value,))],
        )
    ]


CHECK = Check(
    title="Kernel settings in force",
    why="A wrong swappiness or open-files ceiling shows up as stalls and failed jobs hours later.",
    observe=observe,
    judge=judge,
    remedy=Remedy(role="sysctl"),
)
