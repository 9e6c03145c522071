"""Facts as samples: verdicts, counts, durations when they arrive; ages at each scrape."""

from __future__ import annotations

import platform
from collections import Counter
from typing import TYPE_CHECKING

from agent import __version__

if TYPE_CHECKING:
    from agent.exporter.facts import Facts
    from agent.exporter.gathering import Gathering

DIGEST_DIGITS = 12


def add_facts(into: Gathering, facts: Facts) -> None:
    """Add all that does not change between reports."""
    into.add("firstlight_build_info", 1, __version__, platform.python_version())
    if facts.profile:
        digest = facts.profile_digest.removeprefix("sha256:")[:DIGEST_DIGITS]
        into.add("firstlight_profile_info", 1, facts.profile, digest)
    into.add("firstlight_history_readable", not facts.problem)
    found: Counter[tuple[str, str]] = Counter()
    for check in facts.checks.values():
        for subject, verdict in check.verdicts:
            into.add("firstlight_check_verdict", 1, check.check, subject, verdict)
            found[check.check.partition(".")[0], verdict] += 1
        into.add("firstlight_check_duration_seconds", check.duration_s, check.check)
        if check.left_out:
            into.add("firstlight_check_subjects_left_out", check.left_out, check.check)
    for (area, verdict), number in found.items():
        into.add("firstlight_findings", number, area, verdict)
    for report in facts.reports.values():
        into.add("firstlight_report_duration_seconds", report.duration_s, report.level)
    for run in facts.runs.values():
        into.add("firstlight_run_outcome", 1, run.kind, run.outcome)
        into.add("firstlight_run_duration_seconds", run.duration_s, run.kind)
    _add_measured(into, facts)


def _add_measured(into: Gathering, facts: Facts) -> None:
    for drift in facts.drift:
        if drift.items:
            into.add("firstlight_drift_info", 1, drift.against, drift.fingerprint)
        for check, number in drift.items:
            into.add("firstlight_drift_items", number, drift.against, check)
    for smoke in facts.smoke:
        into.add("firstlight_smoke_passed", smoke.passed, smoke.job)
        for uuid, figure, value in smoke.figures:
            into.add("firstlight_smoke_figure", value, smoke.job, figure, uuid)


def add_ages(into: Gathering, facts: Facts, now: float) -> None:
    """Add how old everything is at `now` (epoch seconds); a time in the future counts as now."""
    ages = [("firstlight_check_age_seconds", check.check, check.finished) for check in facts.checks.values()]
    ages += [("firstlight_report_age_seconds", report.level, report.finished) for report in facts.reports.values()]
    ages += [("firstlight_run_age_seconds", run.kind, run.finished) for run in facts.runs.values()]
    ages += [("firstlight_drift_age_seconds", drift.against, drift.finished) for drift in facts.drift]
    ages += [("firstlight_smoke_age_seconds", smoke.job, smoke.finished) for smoke in facts.smoke]
    for name, label, finished in ages:
        into.add(name, round(max(0.0, now - finished), 6), label)
