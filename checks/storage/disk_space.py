"""Room left on every local filesystem."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Outcome, failed, not_applicable, passed, unknown, warned
from agent.machine.mounts import observe_disk_mounts
from agent.model.errors import Unobservable
from agent.model.finding import Evidence, Remedy
from agent.model.units import format_size

if TYPE_CHECKING:
    from agent.machine.api import Machine, Space
    from agent.model.resolved import ResolvedProfile


class Room(NamedTuple):
    """A mounted filesystem and the room in it, or why it could not be measured."""

    point: str
    fstype: str
    space: Space | None
    why: str = ""


def observe(machine: Machine, profile: ResolvedProfile) -> tuple[Room, ...]:
    """Measure every local disk filesystem."""
    rooms = []
    for mount in observe_disk_mounts(machine):
        try:
            rooms.append(Room(mount.point, mount.fstype, machine.space(mount.point)))
        except Unobservable as error:
            rooms.append(Room(mount.point, mount.fstype, None, error.message))
    return tuple(rooms)


def judge(seen: tuple[Room, ...], profile: ResolvedProfile) -> list[Outcome]:
    """One finding per filesystem: warn below the profile's share, fail below half of it."""
    storage = profile.profile.storage
    own = {disk.mount: storage.data_disks.min_free_percent for disk in storage.data_disks.disks}
    outcomes = [judge_room(room, own.get(room.point, storage.min_free_percent)) for room in seen]
    return outcomes or [not_applicable("This machine has no local disk filesystem.")]


def judge_room(room: Room, least_percent: float) -> Outcome:
    """Compare the free share of one filesystem with the least wanted."""
    if room.space is None:
        return unknown(f"{room.point} could not be measured: {room.why}", subject=room.point)
    if not room.space.total_bytes:
        return not_applicable(f"{room.point} reports no size.", subject=room.point)
    free = 100 * room.space.available_bytes / room.space.total_bytes
    text = (f"{free:.1f} % free ({format_size(room.space.available_bytes)} of "
            f"{format_size(room.space.total_bytes)})")
    expected = f"≥ {least_percent:g} % free"
    evidence = [Evidence(f"statvfs {room.point}", (text,))]
    if free < least_percent / 2:
        return failed(
            f"{room.point} is nearly full: {text}.",
            subject=room.point,
            seen=text,
            expected=expected,
            evidence=evidence,
        )
    if free < least_percent:
        return warned(f"{room.point} fills up: {text}.", subject=room.point, seen=text, expected=expected,
                      evidence=evidence)
    return passed(
        f"{room.point} has {text}.", subject=room.point, seen=text, expected=expected, evidence=evidence
    )


CHECK = Check(
    title="Disk space",
    why="A full disk kills every job at its next checkpoint, and a full system disk the login as well.",
    observe=observe,
    judge=judge,
    remedy=Remedy(steps=(
        "Find what is large: `du -xh --max-depth=2 MOUNT | sort -h | tail`.",
        "Old container images: `docker system df`, then `docker image prune` (asks first).",
        "Old packages: `apt-get clean`; old logs: `journalctl --vacuum-size=500M`.",
    )),
)
