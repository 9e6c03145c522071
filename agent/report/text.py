"""The scorecard: what is wrong first, then the count of each area, then the verdict in one line."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from agent.model.document import counts
from agent.model.verdict import Verdict
from agent.report.visible import shortened, visible
from agent.report.words import LABEL, SYMBOL, duration, repair, tally, when, worst, wrong

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.model.finding import Finding, Report

EVIDENCE_LINES = 5
_LABEL_WIDTH = 12
_INDENT = "    "


@dataclass(frozen=True, slots=True)
class Line:
    """One line and what it means: a verdict's value, `title`, `quiet` or nothing. Never the only sign."""

    text: str
    meaning: str = ""


def render_text(report: Report, width: int = 80) -> str:
    """Return the scorecard as plain text, wrapped to `width` columns."""
    return "\n".join(line.text for line in scorecard(report, width)) + "\n"


def scorecard(report: Report, width: int = 80) -> list[Line]:
    """Return the lines of the scorecard."""
    lines = [*_head(report, width), Line("")]
    for finding in wrong(report):
        lines += [*_finding(finding, width), Line("")]
    lines += [*_areas(report), Line("")]
    verdict = worst(report)
    return [
        *lines,
        *_wrapped(f"{SYMBOL[verdict]} {_sentence(verdict)}: {tally(report)}", width, verdict.value),
    ]


def _head(report: Report, width: int) -> Iterator[Line]:
    yield from _wrapped(
        f"{visible(report.machine)}: profile {report.profile} ({report.profile_digest}), "
        f"level {report.level}",
        width,
        "title",
    )
    yield Line(f"{when(report.started)}, {len(report.runs)} checks in {duration(report)}", "quiet")


def _finding(finding: Finding, width: int) -> Iterator[Line]:
    subject = f"  {visible(finding.subject)}" if finding.subject else ""
    yield Line(
        f"{SYMBOL[finding.verdict]} {LABEL[finding.verdict]}  {finding.check}{subject}",
        finding.verdict.value,
    )
    yield from _wrapped(visible(finding.summary), width, "", _INDENT)
    if finding.seen:
        yield from _labelled("seen", visible(finding.seen), width)
    if finding.expected:
        yield from _labelled("expected", visible(finding.expected), width)
    for evidence in finding.evidence:
        yield from _labelled("evidence", visible(evidence.source), width)
        for line in evidence.lines[:EVIDENCE_LINES]:
            yield Line(f"{_INDENT}{'':{_LABEL_WIDTH}}| {shortened(line, max(width - 18, 20))}", "quiet")
        if len(evidence.lines) > EVIDENCE_LINES:
            yield Line(
                f"{_INDENT}{'':{_LABEL_WIDTH}}| … {len(evidence.lines) - EVIDENCE_LINES} more lines",
                "quiet",
            )
    for number, step in enumerate(repair(finding)):
        yield from _labelled("to do" if number == 0 else "", visible(step), width)


def _areas(report: Report) -> Iterator[Line]:
    area_width = max([len(run.check.partition(".")[0]) for run in report.runs] or [0], default=0) + 2
    area_width = max(area_width, 11)
    names = list(counts(()))
    yield Line(
        "area".ljust(area_width)
        + "".join(f"{'n/a' if name == 'not-applicable' else name:>9}" for name in names),
        "title",
    )
    by_area = sorted(report.runs, key=lambda run: run.check.partition(".")[0])
    for area, runs in groupby(by_area, key=lambda run: run.check.partition(".")[0]):
        found = counts(finding for run in runs for finding in run.findings)
        meaning = next((name for name in names[:3] if found[name]), "pass")
        yield Line(area.ljust(area_width) + "".join(f"{found[name] or '·':>9}" for name in names), meaning)


def _sentence(verdict: Verdict) -> str:
    return {
        Verdict.FAIL: "FAIL, the machine is not what its profile says",
        Verdict.WARN: "WARN, it works, with warnings",
        Verdict.UNKNOWN: "UNKNOWN, not everything could be looked at",
    }.get(verdict, "PASS, the machine is what its profile says")


def _labelled(label: str, text: str, width: int) -> Iterator[Line]:
    first = f"{_INDENT}{label:{_LABEL_WIDTH}}"
    rest = " " * len(first)
    for number, piece in enumerate(_pieces(text, width - len(first))):
        yield Line((first if number == 0 else rest) + piece)


def _wrapped(text: str, width: int, meaning: str = "", indent: str = "") -> Iterator[Line]:
    return (Line(indent + piece, meaning) for piece in _pieces(text, width - len(indent)))


def _pieces(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, max(width, 20), break_on_hyphens=False) or [""]
