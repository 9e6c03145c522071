"""Inodes left on every local filesystem that counts them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.check import Check, Outcome, failed, not_applicable, passed, warned
from agent.machine.mounts import observe_disk_mounts
from agent.model.errors import Unobservable
from agent.model.finding import Evidence, Remedy

if TYPE_CHECKING:
    from agent.machine.api import Machine, Space
    from agent.model.resolved import ResolvedProfile


# These make inodes as they need them: where they run out of inodes they have run out of space.
GROWING = frozenset({"xfs", "btrfs", "zfs", "bcachefs"})


def observe(machine: Machine, profile: ResolvedProfile) -> dict[str, Space]:
    """Measure the local disk filesystems. One that cannot be measured is storage.disk-space's to report."""
    spaces, unmeasured = {}, []
    for mount in observe_disk_mounts(machine):
        if mount.fstype in GROWING:
            continue
        try:
            spaces[mount.point] = machine.space(mount.point)
        except Unobservable as error:
            unmeasured.append(error.message)
    if unmeasured and not spaces:
        raise Unobservable(f"no filesystem could be measured: {unmeasured[0]}")
    return spaces


def judge(seen: dict[str, Space], profile: ResolvedProfile) -> list[Outcome]:
    """One finding per filesystem that is short; one pass for all others together."""
    least = profile.profile.storage.min_free_inodes_percent
    counted = {point: space for point, space in seen.items() if space.inodes}
    if not counted:
        return [not_applicable("No filesystem here has a fixed number of inodes.")]
    outcomes, lines = [], []
    for point, space in counted.items():
        free = 100 * space.inodes_free / space.inodes
        text = f"{free:.1f} % of {space.inodes} inodes free"
        lines.append(f"{point}: {text}")
        if free < least:
            say = failed if free < least / 2 else warned
            outcomes.append(
                say(
                    f"{point} runs out of inodes: {text}.",
                    subject=point,
                    seen=text,
                    expected=f"≥ {least:g} % free",
                    evidence=[Evidence(f"statvfs {point}", (text,))],
                )
            )
    return outcomes or [passed("Every filesystem has inodes to spare.", expected=f"≥ {least:g} % free",
                               evidence=[Evidence("statvfs", tuple(lines))])]


CHECK = Check(
    title="Inodes",
    why="A data set of millions of small files fills the inode table: “No space left” with the disk "
        "half empty.",
    observe=observe,
    judge=judge,
    remedy=Remedy(steps=("Find the crowded folder: `du -x --inodes --max-depth=3 MOUNT | sort -n | tail`.",
                         "Pack small files into archives, or move them to an XFS disk (its inodes grow).")),
)
