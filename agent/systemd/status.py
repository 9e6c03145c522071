"""What systemd says of our timers, paths and services: next, last, with which result."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.machine.systemd import parse_properties

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from agent.machine.api import Machine

_ASKED = ("Id", "ActiveState", "UnitFileState", "Result", "ExecMainStatus", "ExecMainExitTimestamp",
          "NextElapseUSecRealtime", "LastTriggerUSec", "NRestarts", "ConditionResult", "Unit")
_RESULTS = {"exec-condition": "skipped, a GPU was at work", "success": "done", "exit-code": "failed",
            "timeout": "took too long", "watchdog": "hung", "signal": "killed", "core-dump": "crashed"}
_CODES = {1: "something failed", 2: "warnings or unknown"}


@dataclass(frozen=True, slots=True)
class UnitStatus:
    """One unit. `last` and `next` are systemd's own words for times, empty when there is none.

    `code` is the exit code of the last run (None: never ran); `result` says how that run ended.
    """

    name: str
    active: str
    enabled: str
    result: str
    code: int | None
    last: str
    next: str
    restarts: int


def observe_status(machine: Machine, names: Sequence[str]) -> tuple[UnitStatus, ...]:
    """Return the status of each unit. Raises Unobservable."""
    if not names:
        return ()
    argv = ("systemctl", "show", "--timestamp=utc", "-p", ",".join(_ASKED), "--", *names)
    blocks = machine.run(argv, timeout_s=20).out.strip().split("\n\n")
    return tuple(_status(name, parse_properties(block)) for name, block in zip(names, blocks, strict=False))


def _status(name: str, seen: dict[str, str]) -> UnitStatus:
    ran = bool(seen.get("ExecMainExitTimestamp"))
    result = seen.get("Result", "")
    if seen.get("ConditionResult") == "no" and not ran and name.endswith(".service"):
        result = ""
    code = int(seen["ExecMainStatus"]) if ran and seen.get("ExecMainStatus", "").isdigit() else None
    return UnitStatus(
        name=name, active=seen.get("ActiveState", ""), enabled=seen.get("UnitFileState", ""),
        result=_RESULTS.get(result, result) if ran or result != "success" else "",
        code=code, last=seen.get("LastTriggerUSec") or seen.get("ExecMainExitTimestamp", ""),
        next=seen.get("NextElapseUSecRealtime", ""), restarts=int(seen.get("NRestarts") or 0),
    )


def render_status(units: Iterable[UnitStatus], results: Iterable[tuple[str, float, str]]) -> str:
    """Return the page of `systemd status`. `results`: level, epoch seconds and tally of the last reports."""
    rows = [("unit", "state", "last", "ended", "next")]
    for unit in units:
        ended = unit.result + (f", {_CODES.get(unit.code, f'exit code {unit.code}')}" if unit.code else "")
        restarts = f", restarted {unit.restarts} times" if unit.restarts else ""
        rows.append((unit.name, unit.active + restarts, unit.last or "-", ended or "-", unit.next or "-"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    for level, at, tally in results:
        when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))
        lines += [*([""] if not lines[-1].startswith("last ") else []), f"last {level} check: {when}, {tally}"]
    return "\n".join(lines) + "\n"
