"""Each data disk of the profile: there, and mounted where it belongs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Outcome, failed, not_applicable, passed
from agent.machine.block import BlockDevice, identity, matching, observe_disks
from agent.machine.mounts import MOUNTINFO, Mount, find_mount, observe_mounts
from agent.model.finding import Evidence, Remedy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.machine.api import Machine
    from agent.model.profile import DataDisk
    from agent.model.resolved import ResolvedProfile


class Seen(NamedTuple):
    """The machine's disks, and what is mounted at each data disk's mount point."""

    disks: tuple[BlockDevice, ...]
    mounted: dict[str, Mount | None]


def observe(machine: Machine, profile: ResolvedProfile) -> Seen | None:
    """Read the disks from /sys and the mounts from mountinfo."""
    part = profile.profile.storage.data_disks
    if not part.enabled or not part.disks:
        return None
    mounts = observe_mounts(machine)
    return Seen(
        tuple(observe_disks(machine)), {disk.mount: find_mount(mounts, disk.mount) for disk in part.disks}
    )


def judge(seen: Seen | None, profile: ResolvedProfile) -> list[Outcome]:
    """One finding per data disk."""
    if seen is None:
        return [not_applicable("The profile declares no data disk.")]
    return [judge_disk(disk, seen) for disk in profile.profile.storage.data_disks.disks]


def judge_disk(wanted: DataDisk, seen: Seen) -> Outcome:
    """Say the worst that is true of one data disk."""
    found = matching(seen.disks, wanted)
    if len(found) != 1:
        return _not_one(wanted, seen, found)
    return _judge_mount(wanted, found[0], seen.mounted[wanted.mount])


def _not_one(wanted: DataDisk, seen: Seen, found: Sequence[BlockDevice]) -> Outcome:
    name = identity(wanted)
    known = tuple(f"{d.path}: serial {', '.join(d.serials) or 'none'}, {d.size_bytes} bytes"
                  for d in seen.disks if d.serials or d.wwns)
    evidence = [Evidence("/sys/block", known)]
    if found:
        return failed(f"{len(found)} disks carry {name}; it is not certain which one is meant.",
                      subject=wanted.mount, seen=", ".join(disk.path for disk in found), evidence=evidence,
                      remedy=Remedy(steps=("Name the disk by serial, wwn and size together in the profile.",)))
    return failed(f"The data disk for {wanted.mount} ({name}) is not in this machine.", subject=wanted.mount,
                  seen="absent", expected=name, evidence=evidence, remedy=Remedy(steps=(
                      "Power off; check the disk's cable or slot.",
                      "If it was replaced, write the new disk's serial (`firstlight detect`) in the profile.")))


def _judge_mount(wanted: DataDisk, disk: BlockDevice, mount: Mount | None) -> Outcome:
    name, point = identity(wanted), wanted.mount
    if mount is None:
        return failed(f"Data disk {disk.path} ({name}) is not mounted at {point}.", subject=point,
                      seen="not mounted", expected=disk.path, evidence=[Evidence(MOUNTINFO)])
    evidence = [Evidence(MOUNTINFO, (f"{mount.device} {mount.point} {mount.fstype} {mount.source}",))]
    if mount.device != disk.number:
        return failed(f"At {point} is {mount.source}, not data disk {disk.path} ({name}).", subject=point,
                      seen=mount.source, expected=disk.path, evidence=evidence, remedy=Remedy(steps=(
                          f"See why: `findmnt {point}` and /etc/fstab.",
                          f"Unmount {mount.source}, then `firstlight fix storage.data-disks`.")))
    if mount.fstype != "xfs":
        return failed(f"{point} is {mount.fstype}; data disks are XFS.", subject=point, seen=mount.fstype,
                      expected="xfs", evidence=evidence, remedy=Remedy(steps=(
                          "Copy the data away and decide by hand; Firstlight never formats a disk in use.",)))
    return passed(f"Data disk {disk.path} ({name}) is mounted at {point}.", subject=point, seen=disk.path,
                  evidence=evidence)


CHECK = Check(
    title="Data disks",
    why="When the data disk is missing, jobs write into the folder below it and fill the system disk.",
    observe=observe,
    judge=judge,
    remedy=Remedy(role="data_disks"),
)
