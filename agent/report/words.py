"""The words that all renderings share."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from agent.model.document import WORST, counts
from agent.model.verdict import Verdict

if TYPE_CHECKING:
    from agent.model.finding import Finding, Report

LABEL = {
    Verdict.PASS: "pass",
    Verdict.WARN: "WARN",
    Verdict.FAIL: "FAIL",
    Verdict.UNKNOWN: "UNKNOWN",
    Verdict.NOT_APPLICABLE: "n/a",
}
SYMBOL = {
    Verdict.PASS: "✓",
    Verdict.WARN: "!",
    Verdict.FAIL: "✗",
    Verdict.UNKNOWN: "?",
    Verdict.NOT_APPLICABLE: "-",
}
WRONG = (Verdict.FAIL, Verdict.WARN, Verdict.UNKNOWN)
_COUNTED = {
    "fail": "failed",
    "warn": "warned",
    "unknown": "unknown",
    "pass": "passed",
    "not-applicable": "not applicable",
}


def wrong(report: Report) -> list[Finding]:
    """Return what is not right: failures, then warnings, then unknowns, each in the order of the checks."""
    return [finding for verdict in WRONG for finding in report.findings if finding.verdict is verdict]


def worst(report: Report) -> Verdict:
    """Return the worst verdict of a report; unknown when nothing was looked at."""
    seen = {finding.verdict for finding in report.findings}
    if not seen - {Verdict.NOT_APPLICABLE}:
        return Verdict.UNKNOWN
    return next(verdict for verdict in WORST if verdict in seen)


def tally(report: Report) -> str:
    """Return `1 failed, 2 unknown, 30 passed`."""
    found = counts(report.findings)
    return (
        ", ".join(f"{number} {_COUNTED[name]}" for name, number in found.items() if number) or "no findings"
    )


def repair(finding: Finding) -> tuple[str, ...]:
    """Return what to do, one step per line; the command first."""
    command = (f"firstlight fix {finding.check}",) if finding.remedy.role else ()
    return command + finding.remedy.steps


def when(seconds: float) -> str:
    """Return a time as `2026-11-21 14:05:09 UTC`."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


def duration(report: Report) -> str:
    """Return how long the run took, in seconds."""
    return f"{max(report.finished - report.started, 0):.2f} s"
