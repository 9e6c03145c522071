"""The backup jobs of the profile: scheduled, last run good, and to another filesystem."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.check import Check, Outcome, failed, not_applicable, passed, warned
from agent.machine.mounts import containing_mount, observe_mounts
from agent.machine.systemd import Properties, observe_units
from agent.model.finding import Evidence, Remedy

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.profile import BackupJob, ResolvedProfile


@dataclass(frozen=True, slots=True)
class Seen:
    """Units by name, and for each job whether source and destination are on the same filesystem."""

    units: dict[str, Properties]
    same_filesystem: dict[str, bool]


def observe(machine: Machine, profile: ResolvedProfile) -> Seen | None:
    """Ask systemd for the timers and services of all jobs at once."""
    part = profile.profile.system.backup
    if not part.enabled or not part.jobs:
        return None
    names = [name for job in part.jobs for name in units_of(job)]
    mounts = observe_mounts(machine)
    same = {}
    for job in part.jobs:
        source, destination = (containing_mount(mounts, path) for path in (job.source, job.destination))
        same[job.name] = (
            source is not None and destination is not None and source.device == destination.device
        )
    return Seen(observe_units(machine, names), same)


def units_of(job: BackupJob) -> tuple[str, str]:
    """Return the timer and the service of a job."""
    return f"firstlight-backup-{job.name}.timer", f"firstlight-backup-{job.name}.service"


def judge(seen: Seen | None, profile: ResolvedProfile) -> list[Outcome]:
    """One finding per job."""
    if seen is None:
        return [not_applicable("The profile has no backup job.")]
    return [judge_job(job, seen) for job in profile.profile.system.backup.jobs]


def judge_job(job: BackupJob, seen: Seen) -> Outcome:
    """Say the worst that is true of one job."""
    timer, service = (seen.units[name] for name in units_of(job))
    name = units_of(job)[0]
    text = f"{timer.get('ActiveState')}, {timer.get('UnitFileState') or 'no unit file'}"
    evidence = [Evidence(f"systemctl show {name}", (text,)),
                Evidence(f"systemctl show {units_of(job)[1]}", (f"Result={service.get('Result', '')}",))]
    if "not-found" in {timer.get("LoadState"), service.get("LoadState")}:
        return failed(f"Backup {job.name} is not set up.", subject=job.name, seen=text, evidence=evidence)
    if timer.get("ActiveState") != "active" or timer.get("UnitFileState") != "enabled":
        return failed(
            f"Backup {job.name} is not scheduled: its timer is {text}.",
            subject=job.name,
            seen=text,
            expected="active, enabled",
            evidence=evidence,
        )
    if service.get("Result") != "success":
        return failed(f"The last backup {job.name} failed ({service.get('Result')}).", subject=job.name,
                      seen=service.get("Result", ""), expected="success", evidence=evidence,
                      remedy=Remedy(steps=(f"See why: `journalctl -u {units_of(job)[1]}`.",
                                           f"Repair it, then `systemctl start {units_of(job)[1]}`.")))
    if seen.same_filesystem[job.name]:
        return warned(
            f"Backup {job.name} copies {job.source} to {job.destination} on the same filesystem: it will "
            "not survive that disk.",
            subject=job.name,
            evidence=evidence,
            remedy=Remedy(steps=("Mount another disk at the destination, or choose another destination.",)),
        )
    ended = service.get("ExecMainExitTimestamp") or ""
    last = f"last run good, {ended}" if ended else "not run yet since boot"
    return passed(f"Backup {job.name} is scheduled; {last}.", subject=job.name, evidence=evidence)


CHECK = Check(
    title="Backups",
    why="A backup that silently stopped is noticed on the day it is needed.",
    observe=observe,
    judge=judge,
    remedy=Remedy(role="backup"),
)
