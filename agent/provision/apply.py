"""Making the machine what its profile says, with a journal, a lock and a way to stop."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from agent.machine.kernels import REBOOT_MARKER
from agent.model.errors import FirstlightError, UsageError
from agent.model.plan import Change, Outcome, Run
from agent.provision import places as folders
from agent.provision.events import Record, Step
from agent.provision.journal import Journal, close_folder, find_interrupted, new_id
from agent.provision.leftovers import remove_leftovers
from agent.provision.lock import held
from agent.provision.plan import failure_of, run_playbook
from agent.provision.processes import settle
from agent.provision.runner import Ended, remove_stale
from agent.provision.stop import Stop

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.provision.job import Job
    from agent.provision.places import Places


def apply(job: Job, *, on_step: Callable[[Step], None] = lambda step: None,
          say: Callable[[str], None] = lambda text: None, stop: Stop | None = None,
          places: Places | None = None) -> Run:
    """Apply the roles of a job and return what was changed, refused or failed.

    Raises UsageError without root, StateError when another run is active or the journal cannot be written.
    """
    if job.needs_root and not job.privileged:
        raise UsageError("apply changes the system and needs root", "run it again as: sudo firstlight apply")
    places, stop = places or folders.places(), stop or Stop()
    doing = f"apply of {', '.join(job.roles) or 'nothing'}"
    with held(places.lock, doing), stop.on_signals(say):
        resume(places, say)
        return _journalled(job, on_step, say, stop, places)


def resume(places: Places, say: Callable[[str], None]) -> None:
    """Clear up after runs that were killed: say what they did last, wait for it, close their journals.

    Only for the holder of the exclusive lock.
    """
    while (interrupted := find_interrupted(places.runs)) is not None:
        say(str(interrupted))
        settle(interrupted.run.id, say)
        remove_leftovers()
        close_folder(interrupted.folder, interrupted.run)
    remove_stale(places.runtime)


def _journalled(job: Job, on_step: Callable[[Step], None], say: Callable[[str], None], stop: Stop,
                places: Places) -> Run:
    run = Run(new_id("apply"), "apply", job.profile, job.roles, Outcome.RUNNING, time.time(), 0.0, ())
    journal = Journal(places.runs, run)

    def step(now: Step) -> None:
        if now.far:
            journal.note("far", text=now.far)
        else:
            journal.note("step", role=now.role, task=now.task)
        on_step(now)

    def change(made: Change) -> None:
        journal.note("change", change={"role": made.role, "task": made.task, "target": made.target,
                                       "before": made.before, "after": made.after})

    record = Record(job.roles, job.privileged, on_step=step, on_change=change)
    failure, ended = "", Ended(0)
    try:
        ended = run_playbook(job, record, stop, places, run.id, check=False, say=say)
    except FirstlightError as error:
        failure = error.message
        raise
    finally:
        run = _closed(run, record, failure or failure_of(record, ended), stop)
        journal.close(run)
    return run


def _closed(run: Run, record: Record, failure: str, stop: Stop) -> Run:
    """Return the run with its end. A stop that came after the last task changed nothing and is no cancel."""
    if stop.requested and not record.finished:
        outcome = Outcome.CANCELLED
        failure = record.failure
    elif failure:
        outcome = Outcome.FAILED
    else:
        outcome = Outcome.REFUSED if record.refusals else Outcome.DONE
    return replace(run, outcome=outcome, finished=time.time(), changes=tuple(record.changes),
                   refusals=tuple(record.refusals), failure=failure,
                   reboot_required=record.reboot_required or Path(REBOOT_MARKER).exists(), notes=tuple(record.notes))
