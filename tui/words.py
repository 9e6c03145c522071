"""Verdicts, bars and numbers as styled text. A colour never stands alone: a sign or a word says the same."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from textual.content import Content

from agent.model.document import counts
from agent.model.gpu import NotSupported, Unread
from agent.model.verdict import Verdict
from agent.report.visible import visible
from agent.report.words import LABEL, SYMBOL

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agent.model.finding import Finding
    from agent.model.gpu import Reading

STYLE = {
    Verdict.FAIL: "$text-error bold", Verdict.WARN: "$text-warning", Verdict.UNKNOWN: "$text-primary",
    Verdict.PASS: "$text-success", Verdict.NOT_APPLICABLE: "$text-muted",
}
ANSI = {
    Verdict.FAIL: "bold red", Verdict.WARN: "yellow", Verdict.UNKNOWN: "cyan", Verdict.PASS: "green",
    Verdict.NOT_APPLICABLE: "dim",
}
_SPARKS = " ▁▂▃▄▅▆▇█"
GIB = 1 << 30


def mark(verdict: Verdict) -> tuple[str, str]:
    """Return sign and word of a verdict with its style, nine columns wide."""
    return f"{SYMBOL[verdict]} {LABEL[verdict]:<7}", STYLE[verdict]


def line_of(finding: Finding) -> Content:
    """Return a finding as one line."""
    about = f" {visible(finding.subject)}" if finding.subject else ""
    return Content.assemble(mark(finding.verdict), " ", (finding.check, "bold"), (about, "$text-muted"), "  ",
                            visible(finding.summary))


def lines(parts: Iterable[Content | str]) -> Content:
    """Return lines as one text."""
    return Content("\n").join(part if isinstance(part, Content) else Content(part) for part in parts)


def areas(findings: Iterable[Finding]) -> Content:
    """Return a table: one line per area, one column per verdict, worst first."""
    by_area: dict[str, list[Finding]] = {}
    for finding in findings:
        by_area.setdefault(finding.check.partition(".")[0], []).append(finding)
    names = list(counts(()))
    heads = [f"{SYMBOL[Verdict(name)]} {LABEL[Verdict(name)].lower()}" for name in names]
    rows = [Content.styled(f"{'area':<10}" + "".join(f"{head:>10}" for head in heads), "$text-muted")]
    for area, found in sorted(by_area.items()):
        told = counts(found)
        cells = [(f"{told[name] or '·':>10}", STYLE[Verdict(name)] if told[name] else "$text-disabled")
                 for name in names]
        rows.append(Content.assemble(f"{area:<10}", *cells))
    return lines(rows)


def sparkline(values: Sequence[int], width: int, highest: int = 100) -> str:
    """Return the newest values as `width` columns of blocks; 0 of `highest` is a blank."""
    shown = list(values)[-width:]
    last = len(_SPARKS) - 1
    return "".join(_SPARKS[min(last, -(-value * last // highest))] for value in shown).rjust(width)


def bar(share: float, width: int) -> str:
    """Return `█████░░░` of `width` columns for a share of 0 to 1."""
    full = round(max(0.0, min(1.0, share)) * width)
    return "█" * full + "░" * (width - full)


def told(reading: Reading[int], unit: str = "", divisor: int = 1) -> str:
    """Return a reading with its unit, `n/a` when the hardware has none, `?` when it could not be read."""
    if isinstance(reading, NotSupported):
        return "n/a"
    if isinstance(reading, Unread):
        return "?"
    return f"{round(reading / divisor)}{unit}"


def gib(size_bytes: int) -> str:
    """Return bytes as GiB with one decimal, without the unit."""
    return f"{size_bytes / GIB:.1f}"


def clock(seconds: float) -> str:
    """Return a time (epoch seconds) as local `2026-11-21 14:05`."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
