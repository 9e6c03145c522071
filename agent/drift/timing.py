"""When a difference came about, and by what: from logs, from files' times, from our own runs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from agent.drift.areas import BY_NAME
from agent.model.errors import Unobservable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.drift.logs import Logs, Span
    from agent.machine.api import Machine
    from agent.model.drift import Difference

SLACK_S = 2.0


def explain(
    machine: Machine, item: Difference, earliest: float, logs: Logs, runs: Sequence[Span]
) -> tuple[float | None, str]:
    """Return when a fact changed (None when nothing tells) and what did it ("" when no log tells).

    `earliest`: the fact was still the old one then (seconds since the epoch, 0 = not known). `runs` are our own.
    """
    if item.area == "package" and (told := _by_dpkg(item, earliest, logs)):
        return told
    if item.area in ("user", "group") and (told := _by_accounts(item, earliest, logs)):
        return told
    changed = _by_files(machine, item, earliest)
    return changed, cause_at(changed, earliest, machine.clock(), logs, runs)


def cause_at(changed: float | None, earliest: float, latest: float, logs: Logs, runs: Sequence[Span]) -> str:
    """Return what went on when it changed; for an unknown time, our own run if one was the only thing that went on."""
    spans = (*runs, *logs.spans)
    if changed is not None:
        return next(
            (span.said for span in reversed(spans) if span.start - SLACK_S <= changed <= span.end + SLACK_S),
            "",
        )
    between = [span for span in spans if earliest and earliest <= span.end and span.start <= latest]
    return f"perhaps {between[0].said}" if len(between) == 1 else ""


def _by_dpkg(item: Difference, earliest: float, logs: Logs) -> tuple[float, str] | None:
    name = item.key.partition(":")[0]
    events = [event for event in logs.packages if event.package == name and event.time >= earliest - SLACK_S]
    if not events:
        return None
    last = events[-1]
    by = [span.said for span in logs.spans if name in span.packages and span.start <= last.time <= span.end]
    return last.time, by[-1] if by else f"dpkg ({last.action})"


def _by_accounts(item: Difference, earliest: float, logs: Logs) -> tuple[float, str] | None:
    word = re.compile(rf"(?<![\w-]){re.escape(item.key)}(?![\w-])")
    said = [line for line in logs.accounts if line.time >= earliest - SLACK_S and word.search(line.text)]
    if item.area == "user":  # becoming a member changes the group, not the account
        said = [line for line in said if " group '" not in line.text]
    return (said[-1].time, f"{said[-1].program}: {said[-1].text}") if said else None


def _by_files(machine: Machine, item: Difference, earliest: float) -> float | None:
    area = BY_NAME.get(item.area)
    now = machine.clock()
    for path in area.places(item.key, item.before, item.after) if area else ():
        try:
            changed = machine.status(path).mtime
        except Unobservable:
            continue
        if earliest - SLACK_S <= changed <= now + SLACK_S:
            return changed
    return None
