"""What a smoke test has proven, a paragraph each; what went wrong stands in the scorecard below it."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from agent.model.verdict import Verdict
from agent.report.text import Line
from agent.report.visible import visible

if TYPE_CHECKING:
    from agent.model.finding import Report

SHOWN = {Verdict.PASS: "proven", Verdict.NOT_APPLICABLE: "n/a"}


def proven_lines(report: Report, width: int) -> list[Line]:
    """Return what is proven or does not apply, and an empty line below it."""
    lines = []
    for finding in report.findings:
        if finding.verdict not in SHOWN:
            continue
        head = f"{SHOWN[finding.verdict]:7} {finding.check.removeprefix('smoke.'):12}"
        subject = f"{finding.subject}: " if finding.subject else ""
        text = textwrap.fill(f"{head} {visible(subject + finding.summary)}", max(width, 40),
                             subsequent_indent=" " * (len(head) + 1), break_on_hyphens=False)
        lines += [Line(line, finding.verdict.value) for line in text.splitlines()]
    return [*lines, Line("")] if lines else []
