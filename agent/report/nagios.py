"""One line for Nagios and its kin, with performance data and Nagios' own exit codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.model.document import counts
from agent.model.verdict import Verdict
from agent.report.visible import shortened
from agent.report.words import tally, worst, wrong

if TYPE_CHECKING:
    from agent.model.finding import Report

STATES = {
    Verdict.PASS: ("OK", 0),
    Verdict.WARN: ("WARNING", 1),
    Verdict.FAIL: ("CRITICAL", 2),
    Verdict.UNKNOWN: ("UNKNOWN", 3),
}


def nagios_code(report: Report) -> int:
    """Return 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN; the worst wins in the order 2, 1, 3, 0."""
    return STATES[worst(report)][1]


def render_nagios(report: Report) -> str:
    """Return `FIRSTLIGHT CRITICAL - tally; what is wrong | perfdata` and a newline."""
    first = [f"{finding.check} {shortened(finding.summary, 80)}".strip() for finding in wrong(report)]
    more = f"; and {len(first) - 3} more" if len(first) > 3 else ""
    words = "; ".join([tally(report), *first[:3]]) + more
    data = [f"{name.replace('-', '_')}={number};;;0" for name, number in counts(report.findings).items()]
    data.append(f"time={max(report.finished - report.started, 0):.3f}s;;;0")
    return f"FIRSTLIGHT {STATES[worst(report)][0]} - {words.replace('|', '/')} | {' '.join(data)}\n"
