"""The backup jobs of the profile: scheduled as it says, last run good, and to another filesystem."""

from __future__ import annotations

import shlex
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.check import Check, Outcome, failed, not_applicable, passed, warned
from agent.machine.mounts import containing_mount, observe_mounts
from agent.machine.systemd import Properties, observe_units, parse_unit
from agent.model.errors import Missing
from agent.model.finding import Evidence, Remedy

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.profile import BackupJob
    from agent.model.resolved import ResolvedProfile


@dataclass(frozen=True, slots=True)
class Seen:
    """Units by name; for each job whether both ends are on one filesystem; what each unit's own file says."""

    units: dict[str, Properties]
    same_filesystem: dict[str, bool]
    files: dict[str, dict[tuple[str, str], str]] = field(default_factory=dict)


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
    units = observe_units(machine, names)
    files = {}
    for name, unit in units.items():
        with suppress(Missing):  # deleted, and systemd has not noticed
            files[name] = parse_unit(machine.read(unit.get("FragmentPath") or f"/etc/systemd/system/{name}"))
    return Seen(units, same, files)


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
    if wrong := [*written_otherwise(job, seen), *not_taken_over(job, seen)]:
        told = "; ".join(wrong)
        return failed(f"Backup {job.name} is not set up as the profile says: {told}.", subject=job.name,
                      seen=told, expected=f"{job.source} to {job.destination}, {job.schedule}", evidence=evidence)
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


def written_otherwise(job: BackupJob, seen: Seen) -> list[str]:
    """Return what the units' files say otherwise than the profile: the schedule, what is copied, what is deleted."""
    timer, service = (seen.files.get(name, {}) for name in units_of(job))
    schedule = timer.get(("Timer", "OnCalendar"), "")
    wrong = [] if schedule == job.schedule else [f"its schedule is {schedule or 'missing'}"]
    command = service.get(("Service", "ExecStart"), "")
    try:
        words = [word.replace("$$", "$").replace("%%", "%") for word in shlex.split(command)]
    except ValueError:
        words = []
    ends = [f"{path.rstrip('/')}/" for path in (job.source, job.destination)]
    if "rsync" not in command.partition(" ")[0] or words[-2:] != ends:
        return [*wrong, f"it runs {command or 'nothing'}"]
    if ("--delete" in words) != job.delete:
        wrong.append("it deletes at the destination" if not job.delete else "it deletes nothing at the destination")
    return wrong


def not_taken_over(job: BackupJob, seen: Seen) -> list[str]:
    """Return the units whose files were changed after systemd read them."""
    stale = (name for name in units_of(job) if seen.units[name].get("NeedDaemonReload") == "yes")
    return [f"{name} was changed after systemd read it" for name in stale]


CHECK = Check(
    title="Backups",
    why="A backup that silently stopped is noticed on the day it is needed.",
    observe=observe,
    judge=judge,
    remedy=Remedy(role="backup"),
)
