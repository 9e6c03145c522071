"""What an apply would change: the same playbook in check mode."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.model.plan import Change, Plan, Refusal
from agent.provision import places as folders
from agent.provision.events import Record, Step
from agent.provision.journal import find_interrupted, new_id
from agent.provision.lock import held
from agent.provision.processes import settle, stop_at_once
from agent.provision.runner import Ended, Invocation, execute
from agent.provision.stop import Stop

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.provision.job import Job
    from agent.provision.places import Places


def plan(job: Job, *, on_step: Callable[[Step], None] = lambda step: None,
         say: Callable[[str], None] = lambda text: None, stop: Stop | None = None,
         places: Places | None = None) -> Plan:
    """Return the changes an apply would make now; nothing on the machine is touched.

    Without root the roles look as far as they may: what they cannot see is a refusal that says "needs root".
    A cancelled plan raises KeyboardInterrupt. Raises StateError while an apply is active.
    """
    places, stop = places or folders.places(), stop or Stop()
    record = Record(job.roles, job.privileged, on_step=on_step)
    with held(places.lock, "plan", shared=True), stop.on_signals(say):
        if (interrupted := find_interrupted(places.runs)) is not None:
            say(str(interrupted))
        ended = run_playbook(job, record, stop, places, new_id("plan"), check=True, say=say)
    if stop.requested and not record.finished:
        raise KeyboardInterrupt
    return Plan(job.profile, job.profile_digest, job.roles, tuple(record.changes), tuple(record.refusals),
                failure=failure_of(record, ended), notes=tuple(record.notes))


def run_playbook(job: Job, record: Record, stop: Stop, places: Places, run_id: str, *, check: bool,
                 say: Callable[[str], None]) -> Ended:
    """Run the playbook of a job into `record`; after a stop at once, wait for what may not be cut in two."""
    call = Invocation(job.content, job.variables, run_id, places.runtime, check, job.roles)
    try:
        return execute(call, record.take, stop)
    finally:
        if stop.at_once:
            stop_at_once(run_id)
            settle(run_id, say)


def failure_of(record: Record, ended: Ended) -> str:
    """Return why a run failed, empty when it did not: the roles' failures, else ansible's own words."""
    if record.failures:
        return record.failure
    if record.finished or ended.code == 0:
        return ""
    said = "; ".join(line.strip() for line in ended.lines[-6:])
    return f"ansible ended with code {ended.code}: {said or 'it said nothing'}"


def same_changes(planned: tuple[Change, ...], made: tuple[Change, ...]) -> bool:
    """Return whether two lists of changes name the same things, in whatever order."""
    return sorted(change.identity for change in planned) == sorted(change.identity for change in made)


def unseen(refusals: tuple[Refusal, ...]) -> tuple[str, ...]:
    """Return the roles that could not be looked at, in order and once."""
    return tuple(dict.fromkeys(refusal.role for refusal in refusals))
