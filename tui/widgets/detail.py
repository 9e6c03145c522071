"""One finding in full: why it matters, seen against expected, evidence, remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.content import Content

from agent.report.visible import shortened, visible
from agent.report.words import repair
from tui.words import lines, mark

if TYPE_CHECKING:
    from agent.desk.values import CheckInfo
    from agent.model.finding import Finding

EVIDENCE_LINES = 40


def render_finding(finding: Finding, info: CheckInfo | None) -> Content:
    """Return the whole finding; `info` is None for a check this Firstlight does not have."""
    parts: list[Content | str] = [Content.assemble(mark(finding.verdict), " ", (finding.check, "bold"))]
    if finding.subject:
        parts.append(Content.styled(visible(finding.subject), "$text-muted"))
    parts += ["", visible(finding.summary), ""]
    if info is not None:
        parts += [_head(f"why it matters ({info.level})"), f"{info.title}. {info.why}", ""]
    for head, text in (("seen", finding.seen), ("expected", finding.expected)):
        if text:
            parts.append(Content.assemble((f"{head:<10}", "$text-primary bold"), visible(text)))
    for evidence in finding.evidence:
        parts += ["", Content.assemble(("evidence  ", "$text-primary bold"), visible(evidence.source))]
        parts += [Content.styled(f"  | {shortened(line)}", "$text-muted") for line in evidence.lines[:EVIDENCE_LINES]]
        if len(evidence.lines) > EVIDENCE_LINES:
            parts.append(f"  | … {len(evidence.lines) - EVIDENCE_LINES} more lines")
    steps = repair(finding)
    if steps:
        parts += ["", _head("what to do")]
        parts += [f"{number}. {visible(step)}" for number, step in enumerate(steps, 1)]
        if finding.remedy.role:
            parts.append(Content.styled("f plans it here, shows the change and asks", "$text-muted"))
    return lines(parts)


def render_check(info: CheckInfo) -> Content:
    """Return a check that has not run yet."""
    return lines([Content.styled(info.id, "bold"), "", _head(f"why it matters ({info.level})"),
                  f"{info.title}. {info.why}", "", Content.styled("it has not run in this report", "$text-muted")])


def _head(text: str) -> Content:
    return Content.styled(text, "$text-primary bold")
