"""The mount options of data disks that are in force in the kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.check import Check, Outcome, failed, not_applicable, passed
from agent.machine.mounts import MOUNTINFO, Mount, find_mount, missing_options, observe_mounts
from agent.model.finding import Evidence, Remedy

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile


def observe(machine: Machine, profile: ResolvedProfile) -> dict[str, Mount | None] | None:
    """Return what is mounted at each data disk's mount point; None without data disks."""
    part = profile.profile.storage.data_disks
    if not part.enabled or not part.disks:
        return None
    mounts = observe_mounts(machine)
    return {disk.mount: find_mount(mounts, disk.mount) for disk in part.disks}


def judge(seen: dict[str, Mount | None] | None, profile: ResolvedProfile) -> list[Outcome]:
    """One finding per mounted data disk."""
    if seen is None:
        return [not_applicable("The profile declares no data disk.")]
    outcomes = []
    for disk in profile.profile.storage.data_disks.disks:
        mount = seen[disk.mount]
        if mount is None:
            outcomes.append(not_applicable(f"{disk.mount} is not mounted (see storage.data-disks).",
                                           subject=disk.mount))
            continue
        shown = ",".join(mount.all_options)
        missing = missing_options(disk.options, mount.all_options)
        evidence = [Evidence(MOUNTINFO, (f"{mount.point} {mount.fstype} {shown}",))]
        if missing:
            outcomes.append(
                failed(
                    f"{disk.mount} is mounted without {', '.join(missing)}.",
                    subject=disk.mount,
                    seen=shown,
                    expected=",".join(disk.options),
                    evidence=evidence,
                )
            )
        else:
            outcomes.append(
                passed(
                    f"{disk.mount} is mounted with {', '.join(disk.options)}.",
                    subject=disk.mount,
                    seen=shown,
                    expected=",".join(disk.options),
                    evidence=evidence,
                )
            )
    return outcomes


CHECK = Check(
    title="Mount options in force",
    why="A remount by hand loses noatime and the large log buffer: every read then writes.",
    observe=observe,
    judge=judge,
    remedy=Remedy(role="data_disks"),
)
