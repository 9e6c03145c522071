"""Filesystems that should be writable and are not."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Outcome, failed, not_applicable, passed
from agent.machine.mounts import (
    DISK_FILESYSTEMS,
    FSTAB,
    MOUNTINFO,
    Mount,
    find_mount,
    observe_fstab,
    observe_mounts,
)
from agent.model.finding import Evidence, Remedy

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile


class Seen(NamedTuple):
    """The mounted local filesystems that fstab wants writable, and its line for each mount point."""

    mounts: tuple[Mount, ...]
    lines: dict[str, str]


def observe(machine: Machine, profile: ResolvedProfile) -> Seen:
    """Compare fstab with what is mounted; the root filesystem counts even without a line."""
    mounts = observe_mounts(machine)
    entries = {entry.point: entry for entry in observe_fstab(machine) if entry.fstype in DISK_FILESYSTEMS}
    points = {point for point, entry in entries.items() if "ro" not in entry.options}
    if "/" not in entries:
        points.add("/")
    found = (find_mount(mounts, point) for point in sorted(points))
    return Seen(tuple(mount for mount in found if mount is not None),
                {point: entries[point].text for point in points if point in entries})


def judge(seen: Seen, profile: ResolvedProfile) -> list[Outcome]:
    """One failure per filesystem that is read-only against fstab's will."""
    outcomes = []
    for mount in seen.mounts:
        if mount.read_only:
            shown = ",".join(mount.all_options)
            evidence = [Evidence(MOUNTINFO, (f"{mount.point} {mount.fstype} {mount.source} {shown}",))]
            if mount.point in seen.lines:
                evidence.append(Evidence(FSTAB, (seen.lines[mount.point],)))
            outcomes.append(failed(f"{mount.point} ({mount.source}) is read-only and should be writable.",
                                   subject=mount.point, seen="ro", expected="rw", evidence=evidence))
    if outcomes:
        return outcomes
    if not seen.mounts:
        return [not_applicable("No local filesystem is expected to be writable.")]
    return [passed("Every filesystem that should be writable is.",
                   evidence=[Evidence(MOUNTINFO, tuple(mount.point for mount in seen.mounts))])]


CHECK = Check(
    title="Read-only filesystems",
    why="After an error the kernel remounts a filesystem read-only to save it; nothing is written "
        "from then on.",
    observe=observe,
    judge=judge,
    remedy=Remedy(steps=(
        "Find the first error: `journalctl -k -b | grep -iE 'ext4|xfs|I/O error'`.",
        "If there is one: copy the data away, unmount, run fsck (ext4) or xfs_repair (XFS), check the disk.",
        "If somebody remounted it on purpose: `mount -o remount,rw MOUNT`.")),
)
