"""Plans and runs as text: changes by role with what was before and what comes, refusals, failures."""

from __future__ import annotations

import difflib
import itertools
from typing import TYPE_CHECKING

from textual.content import Content

from agent.report.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from agent.model.plan import Change, Plan, Refusal

MOST_LINES = 200


def render_changes(changes: Iterable[Change]) -> Iterator[Content]:
    """Yield the lines of changes, by role and task."""
    for role, of_role in itertools.groupby(changes, lambda change: change.role):
        yield Content.styled(role or "play", "$text-primary bold")
        for task, of_task in itertools.groupby(of_role, lambda change: change.task):
            yield Content(f"  {visible(task)}")
            for change in of_task:
                yield from _change(change)


def render_plan(plan: Plan) -> Iterator[Content]:
    """Yield the lines of a plan."""
    yield from render_changes(plan.changes)
    yield from render_refusals(plan.refusals)
    if plan.failure:
        yield Content.styled("✗ could not be planned", "$text-error bold")
        yield from (Content(f"  {visible(line)}") for line in plan.failure.splitlines())


def render_refusals(refusals: Iterable[Refusal]) -> Iterator[Content]:
    """Yield what a role would not do, and why."""
    for refusal in refusals:
        yield Content.assemble(("! refused ", "$text-warning bold"),
                               f"{refusal.role}: {visible(refusal.task)}: {visible(refusal.reason)}")


def _change(change: Change) -> Iterator[Content]:
    before, after = change.before.strip("\n"), change.after.strip("\n")
    if "\n" not in before + after:
        target = visible(change.target) or "(no details)"
        if not before and not after:
            yield Content(f"    {target}")
        else:
            yield Content.assemble(f"    {target}: ", (f"- {visible(before) or '(none)'}", "$text-error"), "  ",
                                   (f"+ {visible(after) or '(none)'}", "$text-success"))
        return
    yield Content(f"    {visible(change.target)}")
    unified = difflib.unified_diff(before.splitlines(), after.splitlines(), n=1, lineterm="")
    found = list(itertools.islice(unified, 2, None))
    for line in found[:MOST_LINES]:
        style = {"+": "$text-success", "-": "$text-error"}.get(line[:1], "$text-muted")
        yield Content.styled(f"      {visible(line)}", style)
    if len(found) > MOST_LINES:
        yield Content.styled(f"      … {len(found) - MOST_LINES} more lines", "$text-muted")
