"""Runs the chosen jobs one after the other, keeps each result as it comes, and makes a report of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from agent.check import Outcome, unknown
from agent.model.errors import StateError, Unobservable
from agent.model.finding import CheckRun, Finding, Remedy, Report
from agent.model.job import JobLine
from agent.smoke.session import JobResult

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent.smoke.session import Job, Session

LEVEL = "deep"  # a smoke test loads the machine


def run_jobs(
    session: Session, jobs: Mapping[str, Job], *, on_start: Callable[[str], None],
    on_done: Callable[[CheckRun], None], warn: Callable[[str], None],
) -> tuple[Report, list[tuple[str, JobResult]]]:
    """Run the jobs; return the report and every result by job. What is done before an interruption is kept."""
    started, begun = time.time(), time.monotonic()
    runs: list[CheckRun] = []
    every: list[tuple[str, JobResult]] = []
    for name, job in jobs.items():
        on_start(f"smoke.{name}")
        at, clock = time.time(), time.monotonic()
        try:
            results = job.run(session)
        except Unobservable as error:
            advice = Remedy(steps=(error.hint,)) if error.hint else None
            results = [JobResult(unknown(f"{error.message}.", remedy=advice))]
        run = CheckRun(f"smoke.{name}", job.title, time.monotonic() - clock,
                       tuple(_finding(name, result.outcome) for result in results))
        for result in results:
            _keep(session, name, result, at, run.duration_s, warn)
        runs.append(run)
        every += [(name, result) for result in results]
        on_done(run)
    report = Report(
        machine=session.hostname, profile=session.resolved.profile.name, profile_digest=session.resolved.digest,
        level=LEVEL, started=started, finished=started + time.monotonic() - begun, runs=tuple(runs),
    )
    return report, every


def _finding(name: str, outcome: Outcome) -> Finding:
    return Finding(f"smoke.{name}", outcome.verdict, outcome.summary, outcome.subject, outcome.seen, outcome.expected,
                   outcome.evidence, outcome.remedy or Remedy())


def _keep(session: Session, name: str, result: JobResult, started: float, duration_s: float,
          warn: Callable[[str], None]) -> None:
    """Keep what was really run; a job that was skipped has nothing to remember."""
    if session.history is None or not result.document:
        return
    try:
        session.history.add(JobLine(session.hostname, name, result.outcome.subject, result.setting, started, duration_s,
                                    result.outcome.verdict.value, result.figures, result.document))
    except StateError as error:
        warn(f"the result of {name} is not kept: {error.message}")
