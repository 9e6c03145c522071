"""Smoke results as text: what is proven, what was measured earlier, what there is."""

from __future__ import annotations

import textwrap
import time
from typing import TYPE_CHECKING

from agent.model.verdict import Verdict
from agent.smoke.speed import render_figures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agent.model.finding import Report
    from agent.model.job import JobLine
    from agent.smoke.session import Job

SHOWN = {Verdict.PASS: "proven", Verdict.NOT_APPLICABLE: "n/a"}


class Line:
    """One line of text and the verdict it stands for; the form that agent.cli.terminal shows."""

    def __init__(self, text: str, meaning: str = "") -> None:
        self.text, self.meaning = text, meaning


def proven_lines(report: Report, width: int) -> list[Line]:
    """Return what is proven or does not apply, a paragraph each; what went wrong stands in the scorecard."""
    lines = []
    for finding in report.findings:
        if finding.verdict not in SHOWN:
            continue
        head = f"{SHOWN[finding.verdict]:7} {finding.check.removeprefix('smoke.'):12}"
        subject = f"{finding.subject}: " if finding.subject else ""
        text = textwrap.fill(f"{head} {subject}{finding.summary}", max(width, 40),
                             subsequent_indent=" " * (len(head) + 1), break_on_hyphens=False)
        lines += [Line(line, finding.verdict.value) for line in text.splitlines()]
    return [*lines, Line("")] if lines else []


def render_list(jobs: Mapping[str, Job], width: int) -> str:
    """Return every job with what it proves."""
    wide = max(map(len, jobs)) + 2
    return "".join(
        f"{name:{wide}}{job.title}\n{textwrap.fill(job.why, width, initial_indent=' ' * wide, subsequent_indent=' ' * wide)}\n"
        for name, job in jobs.items())


def render_history(lines: Sequence[JobLine]) -> str:
    """Return the kept results, one a line, newest first."""
    if not lines:
        return "no result is kept yet; run: firstlight smoke\n"
    return "".join(
        f"{time.strftime('%Y-%m-%d %H:%M', time.localtime(line.started))}  {line.job:12} {line.verdict:8} "
        f"{line.duration_s:6.1f} s  {line.subject or '-'}  {render_figures(line.figures)}\n" for line in lines)
