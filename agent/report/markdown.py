"""Markdown for an issue or a chat: verdict, table of what is wrong, evidence folded away."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent.report.visible import visible
from agent.report.words import LABEL, repair, tally, when, worst, wrong

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.model.finding import Finding, Report

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~])")


def render_markdown(report: Report) -> str:
    """Return the report as GitHub-flavoured Markdown."""
    lines = [
        f"## {LABEL[worst(report)].upper()}: {_escaped(report.machine)}",
        "",
        f"Profile `{report.profile}` ({report.profile_digest}), level {report.level}, {when(report.started)}: "
        f"{tally(report)}.",
        "",
    ]
    bad = wrong(report)
    if bad:
        lines += ["| verdict | check | subject | what | seen | expected |", "|---|---|---|---|---|---|"]
        lines += [_row(finding) for finding in bad]
        lines.append("")
    for finding in bad:
        lines += _details(finding)
    return "\n".join(lines).rstrip("\n") + "\n"


def _row(finding: Finding) -> str:
    cells = (finding.subject, finding.summary, finding.seen, finding.expected)
    return (
        f"| {LABEL[finding.verdict]} | {finding.check} | {' | '.join(_escaped(cell) for cell in cells)} |"
    )


def _details(finding: Finding) -> Iterator[str]:
    steps = repair(finding)
    if not steps and not finding.evidence:
        return
    title = f"{finding.check} {_escaped(finding.subject)}".strip()
    yield from (f"<details><summary>{title}</summary>", "")
    if steps:
        yield from (f"{number}. {_escaped(step)}" for number, step in enumerate(steps, 1))
        yield ""
    for evidence in finding.evidence:
        block = [visible(line) for line in evidence.lines]
        fence = "`" * max(
            3, 1 + max((len(run) for line in block for run in re.findall("`+", line)), default=0)
        )
        yield from (f"{_escaped(evidence.source)}:", "", fence, *block, fence, "")
    yield from ("</details>", "")


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", visible(text)) or " "
