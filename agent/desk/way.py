"""The way of a first boot, from a bare machine to a proven one, told from what is kept.

So it is the same after a reboot, in another terminal and on another day. The rule when it is offered stands in
`judge_way` and nowhere else.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.desk.runs import newest_runs
from agent.model.errors import FirstlightError, StateError
from agent.model.plan import Outcome, Run
from agent.provision.journal import KEPT_RUNS, load_run

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from agent.desk.values import Look
    from agent.model.finding import Report
    from agent.state.history import History

LEFT = "first-boot-left"
ENOUGH = (Outcome.DONE, Outcome.REFUSED)  # as for `firstlight up`: what was refused waits for a person
YOUNG_S = 7 * 86_400.0
LOOKED_AT = 20  # reports among which a full one is looked for


@dataclass(frozen=True, slots=True)
class Way:
    """Which steps are done; each needs those before it. `reboot`: the apply asked for one. `offered`: see judge_way."""

    applied: bool = False
    reboot: bool = False
    rebooted: bool = False
    checked: bool = False
    proven: bool = False
    offered: bool = False


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a machine. Times in seconds since the epoch, 0 for never.

    `runs`: applies that ended; `full`: when the newest check of everything began; `jobs`: begin and verdict of the
    newest result of each smoke job on each GPU; `brought`: `firstlight up` came to its end without a failure;
    `left`: somebody left the way.
    """

    runs: tuple[Run, ...] = ()
    full: float = 0.0
    jobs: tuple[tuple[float, str], ...] = ()
    brought: bool = False
    left: bool = False


def judge_way(kept: Kept, roles: Collection[str], booted: float, now: float) -> Way:
    """Return how far a machine is whose profile has these roles, and whether its first boot is still offered.

    It is, until an apply of every role, the reboot that it asked for, a check of everything and smoke jobs of which
    none failed are all kept; or `firstlight up` did all that; or somebody left it; or the oldest apply is a week old:
    then the machine is in use, and nobody is told again and again what was left out.
    """
    whole = [run for run in kept.runs if run.outcome in ENOUGH and set(roles) <= set(run.roles)]
    young = not kept.runs or now - min(run.started for run in kept.runs) < YOUNG_S
    open_ = young and not kept.left and not kept.brought
    if not whole:
        return Way(offered=open_)
    first = min(whole, key=lambda run: run.finished)
    end = first.finished
    rebooted = not first.reboot_required or booted > end
    since = {verdict for begun, verdict in kept.jobs if begun >= end}
    proven = "pass" in since and not since & {"fail", "unknown"}
    checked = kept.full >= (max(end, booted) if first.reboot_required and not proven else end)
    over = rebooted and checked and proven
    return Way(True, first.reboot_required, rebooted, checked, proven, open_ and not over)


def booted_at(now: float) -> float:
    """Return when the machine was started, on the same clock as `now` (seconds since the epoch)."""
    return now - time.clock_gettime(time.CLOCK_BOOTTIME)


def load_kept(runs: Path, history: History, checks: Collection[str]) -> Kept:
    """Return what is kept; a report is a full one when it has all these checks. Raises StateError."""
    from agent.state.jobs import JobHistory

    ended = []
    for folder in newest_runs(runs, KEPT_RUNS):
        with contextlib.suppress(StateError):  # it runs, or was interrupted
            ended.append(load_run(folder))
    brought = any(entry.exit_code == 0 for entry in history.entries(LOOKED_AT, "up"))
    return Kept(tuple(ended), _newest_full(history, checks), tuple(JobHistory(history).newest()), brought,
                (history.file.parent / LEFT).exists())


def everything(look: Look) -> set[str]:
    """Return the checks that a check of everything has: all that do not load the machine."""
    return {check.id for check in look.checks if check.level != "deep"}


def is_full(report: Report, checks: Collection[str]) -> bool:
    """Return whether a report has all of these checks."""
    return bool(checks) and set(checks) <= {run.check for run in report.runs}


def leave_way(state: Path, who: str) -> None:
    """Keep that somebody left the way. Raises StateError."""
    from agent.state.atomic import write_atomic
    from agent.state.folder import make_folder

    write_atomic(make_folder(state) / LEFT, f"left by {who}; without this file it is offered again\n", 0o600)


def _newest_full(history: History, checks: Collection[str]) -> float:
    from agent.state.history import KEPT_RUNS as KEPT_ENTRIES

    higher = [entry for entry in history.entries(KEPT_ENTRIES, "check") if entry.level != "quick"]
    for entry in higher[:LOOKED_AT]:
        with contextlib.suppress(FirstlightError):  # of another version
            report = history.report(entry.id)
            if is_full(report, checks):
                return report.started
    return 0.0
