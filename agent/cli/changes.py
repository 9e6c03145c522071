"""How plans and runs are shown in a terminal."""

from __future__ import annotations

import difflib
import itertools
from typing import TYPE_CHECKING

from agent.model.plan import Outcome
from agent.report.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from agent.model.plan import Change, Plan, Refusal, Run

MOST_LINES = 12
MOST_COLUMNS = 100
ENDINGS = {
    Outcome.DONE: "Done", Outcome.FAILED: "Failed", Outcome.REFUSED: "Done, except what was refused",
    Outcome.CANCELLED: "Cancelled", Outcome.INTERRUPTED: "Interrupted", Outcome.RUNNING: "Still running",
}


def render_plan(plan: Plan, command: str) -> str:
    """Return a plan as text: changes by role, refusals, totals and the one command that applies it."""
    lines = [*_changes(plan.changes), *_refusals(plan.refusals), *_notes(plan.notes)]
    if plan.failure:
        lines += ["Could not be planned", *_indented(plan.failure), ""]
    if plan.changes:
        lines += [f"{_total(plan.changes)} for profile {plan.profile}. To make them:", f"  {command}"]
    elif not plan.refusals and not plan.failure:
        lines += [f"Nothing to change: this machine is what profile {plan.profile} says."]
    else:
        lines += ["No change was found in what could be looked at."]
    return "\n".join(lines) + "\n"


def render_run(run: Run, command: str = "firstlight check") -> str:
    """Return a finished apply as text; `command` is what to do next."""
    lines = [*_changes(run.changes), *_refusals(run.refusals), *_notes(run.notes)]
    if run.failure:
        lines += ["Failed", *_indented(run.failure), ""]
    nothing = "nothing had to be changed" if run.outcome is Outcome.DONE else "nothing was changed"
    what = _total(run.changes) if run.changes else nothing
    lines += [f"{ENDINGS[run.outcome]}: {what}, in {run.finished - run.started:.0f} s."]
    if run.reboot_required:
        lines += ["A reboot is required before everything is in force: sudo systemctl reboot"]
    if run.outcome is Outcome.DONE:
        lines += [f"To prove it: {command}"]
    return "\n".join(lines) + "\n"


def _indented(text: str) -> list[str]:
    return [f"  {visible(line)}" for line in text.splitlines()]


def _changes(changes: Iterable[Change]) -> Iterator[str]:
    for role, of_role in itertools.groupby(changes, lambda change: change.role):
        yield role or "play"
        for task, of_task in itertools.groupby(of_role, lambda change: change.task):
            yield f"  {task}"
            for change in of_task:
                yield from _change(change)
        yield ""


def _change(change: Change) -> Iterator[str]:
    """One line where that says it, else a small diff below the target."""
    before, after = change.before.strip("\n"), change.after.strip("\n")
    target = visible(change.target)
    short = f"{before or '(none)'} → {after or '(none)'}"
    if not before and not after:
        yield f"    {target or '(no details)'}"
    elif "\n" not in before + after and len(short) <= MOST_COLUMNS:
        yield f"    {target}: {visible(short)}" if target else f"    {visible(short)}"
    else:
        if target:
            yield f"    {target}"
        yield from (f"      {line}" for line in _diff(before, after))


def _diff(before: str, after: str) -> list[str]:
    unified = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    found = [visible(line) for line in itertools.islice(unified, 2, None) if not line.startswith("@@")]
    shown = [line if len(line) <= MOST_COLUMNS else line[:MOST_COLUMNS - 1] + "…" for line in found]
    more = len(shown) - MOST_LINES
    return shown if more <= 1 else [*shown[:MOST_LINES], f"… {more} more lines"]


def _refusals(refusals: Sequence[Refusal]) -> Iterator[str]:
    if refusals:
        yield "Refused"
        for refusal in refusals:
            first, *rest = refusal.reason.splitlines() or [""]
            yield f"  {refusal.role}: {refusal.task}: {visible(first)}"
            yield from (f"    {visible(line)}" for line in rest)
        yield ""


def _notes(notes: Sequence[str]) -> Iterator[str]:
    if notes:
        yield "To know"
        for note in notes:
            first, *rest = note.splitlines() or [""]
            yield f"  {visible(first)}"
            yield from (f"    {visible(line)}" for line in rest)
        yield ""


def _total(changes: Sequence[Change]) -> str:
    roles = len({change.role for change in changes})
    return f"{len(changes)} change{'s' * (len(changes) != 1)} in {roles} role{'s' * (roles != 1)}"
