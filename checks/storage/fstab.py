"""The lines of fstab that bring the data disks back after a reboot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.check import Check, Outcome, failed, not_applicable, passed
from agent.machine.mounts import FSTAB, FstabEntry, observe_fstab, plain_option
from agent.model.finding import Evidence, Remedy

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.profile import DataDisk
    from agent.model.resolved import ResolvedProfile


def observe(machine: Machine, profile: ResolvedProfile) -> tuple[FstabEntry, ...] | None:
    """Return the entries of fstab; None without data disks."""
    part = profile.profile.storage.data_disks
    return tuple(observe_fstab(machine)) if part.enabled and part.disks else None


def judge(seen: tuple[FstabEntry, ...] | None, profile: ResolvedProfile) -> list[Outcome]:
    """One finding per data disk."""
    if seen is None:
        return [not_applicable("The profile declares no data disk.")]
    return [judge_disk(disk, seen) for disk in profile.profile.storage.data_disks.disks]


def judge_disk(disk: DataDisk, seen: tuple[FstabEntry, ...]) -> Outcome:
    """Say what is wrong with a data disk's line: missing, double, not by UUID, or options lacking."""
    lines = [entry for entry in seen if entry.point.rstrip("/") == disk.mount.rstrip("/")]
    evidence = [Evidence(f"{FSTAB}:{entry.line}", (entry.text,)) for entry in lines]
    if not lines:
        return failed(f"{FSTAB} has no line for {disk.mount}: after a reboot it is not mounted.",
                      subject=disk.mount, seen="no line", evidence=[Evidence(FSTAB)])
    if len(lines) > 1:
        return failed(
            f"{FSTAB} has {len(lines)} lines for {disk.mount}.",
            subject=disk.mount,
            evidence=evidence,
            remedy=Remedy(
                steps=(
                    f"Remove all but one line for {disk.mount} from {FSTAB}.",
                    "Check with `findmnt --verify`.",
                )
            ),
        )
    entry = lines[0]
    faults = []
    if not entry.spec.startswith("UUID="):
        faults.append(f"names the disk by {entry.spec} and not by UUID")
    have = {plain_option(option) for option in entry.options}
    missing = [option for option in (*disk.options, "nofail") if plain_option(option) not in have]
    if missing:
        faults.append(f"lacks {', '.join(missing)}")
    if entry.fstype != "xfs":
        faults.append(f"says {entry.fstype} and not xfs")
    if faults:
        return failed(f"{FSTAB}:{entry.line} for {disk.mount} {' and '.join(faults)}.", subject=disk.mount,
                      seen=entry.text, expected=",".join((*disk.options, "nofail")), evidence=evidence)
    return passed(f"{FSTAB} mounts {disk.mount} by UUID at every boot.", subject=disk.mount, seen=entry.text,
                  evidence=evidence)


CHECK = Check(
    title="Data disks in fstab",
    why="Without its line the disk is gone after a reboot; without nofail a dead disk stops the whole boot.",
    observe=observe,
    judge=judge,
    remedy=Remedy(role="data_disks"),
)
