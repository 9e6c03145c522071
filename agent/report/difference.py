"""What changed between two reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent.report.visible import visible
from agent.report.words import LABEL, SYMBOL

if TYPE_CHECKING:
    from agent.model.finding import Finding, Report


@dataclass(frozen=True, slots=True)
class Difference:
    """One fact that two reports tell differently; None where a report does not speak of it."""

    check: str
    subject: str
    before: Finding | None
    after: Finding | None


def differences(old: Report, new: Report) -> list[Difference]:
    """Return what has another verdict, or another value seen while it is wrong; by check and subject.

    Only checks that ran in both are compared: one left out by `--only` says nothing.
    """
    both = {run.check for run in old.runs} & {run.check for run in new.runs}
    before, after = _by_name(old, both), _by_name(new, both)
    found = [Difference(*name, before.get(name), after.get(name)) for name in sorted({*before, *after})]
    return [item for item in found if _told_differently(item)]


def _by_name(report: Report, checks: set[str]) -> dict[tuple[str, str], Finding]:
    return {
        (finding.check, finding.subject): finding for finding in report.findings if finding.check in checks
    }


def _told_differently(item: Difference) -> bool:
    if item.before is None or item.after is None:
        return True
    return item.before.verdict is not item.after.verdict or (
        item.after.verdict.value in ("fail", "warn") and item.before.seen != item.after.seen
    )


def render_differences(found: list[Difference]) -> str:
    """Return two lines per difference: verdicts, and what the new report says."""
    if not found:
        return "no difference\n"
    lines = []
    for item in found:
        verdicts = " -> ".join(
            "absent" if side is None else f"{SYMBOL[side.verdict]} {LABEL[side.verdict]}"
            for side in (item.before, item.after)
        )
        lines.append(f"{item.check}{'  ' + visible(item.subject) if item.subject else ''}: {verdicts}")
        said = item.after or item.before
        lines.append(f"    {visible(said.summary) if said else ''}")
    return "\n".join(lines) + "\n"


def differences_document(found: list[Difference]) -> list[dict[str, Any]]:
    """Return the differences as JSON objects."""

    def side(finding: Finding | None) -> dict[str, str] | None:
        return (
            None
            if finding is None
            else {"verdict": finding.verdict.value, "seen": finding.seen, "summary": finding.summary}
        )

    return [
        {
            "check": item.check,
            "subject": item.subject,
            "before": side(item.before),
            "after": side(item.after),
        }
        for item in found
    ]
