"""What the exporter knows from reports, runs, drift and smoke jobs: small, bounded, without evidence."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from agent.model.document import WORST

if TYPE_CHECKING:
    from agent.model.finding import CheckRun, Report

FORGET_AFTER_S = 30 * 86400.0
SUBJECTS = 64  # series per check; one per GPU, disk or unit is the usual


@dataclass(frozen=True, slots=True)
class CheckFact:
    """The last run of one check. `verdicts` by subject, worst first; `finished` in epoch seconds."""

    check: str
    verdicts: tuple[tuple[str, str], ...]
    left_out: int
    duration_s: float
    finished: float


@dataclass(frozen=True, slots=True)
class ReportFact:
    """The newest report of one level that left no check of it out."""

    level: str
    finished: float
    duration_s: float


@dataclass(frozen=True, slots=True)
class RunFact:
    """The last run of a kind (plan, apply, up …). `outcome` is one of a few words."""

    kind: str
    outcome: str
    finished: float
    duration_s: float


@dataclass(frozen=True, slots=True)
class DriftFact:
    """What differs from `against` (profile, baseline). `items` counts by check id; no drift = empty."""

    against: str
    items: tuple[tuple[str, int], ...]
    fingerprint: str
    finished: float


@dataclass(frozen=True, slots=True)
class SmokeFact:
    """The last run of a smoke job. `figures`: GPU's UUID (or empty), name with its base unit at the end, value.

    `passed`: None when it proved nothing (unknown, not applicable).
    """

    job: str
    passed: bool | None
    figures: tuple[tuple[str, str, float], ...]
    finished: float


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything known. `problem` says why the history could not be read at the last look; empty = it could."""

    profile: str = ""
    profile_digest: str = ""
    checks: dict[str, CheckFact] = field(default_factory=dict)
    reports: dict[str, ReportFact] = field(default_factory=dict)
    runs: dict[str, RunFact] = field(default_factory=dict)
    drift: tuple[DriftFact, ...] = ()
    smoke: tuple[SmokeFact, ...] = ()
    problem: str = ""


def with_report(facts: Facts, report: Report) -> Facts:
    """Return the facts after a report: its checks replace what was known of them, older runs are ignored.

    A partial report makes the newest whole one no younger. A check that no report has named for 30 days is
    forgotten, so that one that left the product ends.
    """
    checks = {name: fact for name, fact in facts.checks.items() if fact.finished > report.finished - FORGET_AFTER_S}
    for run in report.runs:
        known = checks.get(run.check)
        if known is None or known.finished <= report.finished:
            checks[run.check] = _check(run, report.finished)
    reports = facts.reports
    if not report.partial:
        told = ReportFact(report.level, report.finished, max(0.0, report.finished - report.started))
        reports = reports | {report.level: told}
    newest = max((fact.finished for fact in facts.reports.values()), default=0.0) <= report.finished
    return replace(
        facts, checks=checks, reports=reports,
        profile=report.profile if newest else facts.profile,
        profile_digest=report.profile_digest if newest else facts.profile_digest,
    )


def with_run(facts: Facts, run: RunFact) -> Facts:
    """Return the facts after a run."""
    return replace(facts, runs=facts.runs | {run.kind: run})


def gpu_subjects(facts: Facts) -> frozenset[str]:
    """Return the UUIDs of the cards that the last checks of area gpu judged."""
    subjects = (subject for fact in facts.checks.values() if fact.check.startswith("gpu.")
                for subject, _ in fact.verdicts)
    return frozenset(subject for subject in subjects if subject.startswith("GPU-"))


def _check(run: CheckRun, finished: float) -> CheckFact:
    order = {verdict: place for place, verdict in enumerate(WORST)}
    worst: dict[str, int] = {}
    for finding in run.findings:
        place = order[finding.verdict]
        worst[finding.subject] = min(place, worst.get(finding.subject, place))
    ranked = sorted(worst.items(), key=lambda item: (item[1], item[0]))
    verdicts = tuple((subject, WORST[place].value) for subject, place in ranked[:SUBJECTS])
    return CheckFact(run.check, verdicts, max(0, len(ranked) - SUBJECTS), run.duration_s, finished)
