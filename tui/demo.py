"""Machines that ship with Firstlight: recordings made from the stand-in profiles, and an apply that is only played."""

from __future__ import annotations

import gzip
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.desk.desk import Desk
from agent.desk.runs import Follower, RunView
from agent.desk.way import Kept, Way, everything, is_full, judge_way
from agent.model.errors import FirstlightError, UsageError
from agent.model.plan import Change, Outcome, Plan, Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from agent.desk.values import Look, Proof, Sample
    from agent.model.finding import Report
    from agent.state.history import Entry

    Cancelled = Callable[[], bool]
    Tell = Callable[[dict[str, Any]], None]

FOLDER = Path(__file__).with_name("recordings")
DAY_S = 86_400.0
NAMES = ("server", "spark")
TIMERS = (("check-quick", "in 4 min"), ("check-standard", "in 38 min"), ("drift", "tonight at 03:10"))


def open_desk(*, capture: str | None = None, profile: str | None = None, demo: str | None = None) -> Desk:
    """Return the desk of this machine, of a recording, or of a demo machine. Raises UsageError."""
    if demo is None:
        return Desk(capture=capture, profile=profile)
    name = demo or NAMES[0]
    if name not in NAMES:
        raise UsageError(f"tui: there is no demo {name!r}", f"choose from {', '.join(NAMES)}")
    return DemoDesk(name)


class DemoDesk(Desk):
    """A machine as it came, and what an apply would make of it; `pace_s` is what one played task takes."""

    demo = True
    obstacle = ""

    def __init__(self, name: str, *, pace_s: float = 0.5) -> None:
        super().__init__(capture=str(FOLDER / f"{name}.json"))
        self._name, self._pace_s = name, pace_s
        self.fleet_source = str(FOLDER / "fleet")
        self._repaired = Desk(capture=str(FOLDER / f"{name}-repaired.json"))
        story = json.loads((FOLDER / "story.json").read_text(encoding="utf-8"))
        self._story = [Change(**change) for change in story]
        self._applied: set[str] = set()
        self._kept: list[tuple[Entry, Report]] = []
        self._played: list[_Played] = []
        self._left = False

    def look(self, cancelled: Cancelled = lambda: False) -> Look:
        """Return the machine as it was recorded, with the rights to play on it."""
        return replace(super().look(cancelled), privileged=True, timers=TIMERS)

    def check(self, level: str, only: Sequence[str], tell: Tell, cancelled: Cancelled, *, keep: bool) -> Report:
        """Check the recording; what an apply repaired is told by the recording made after it."""
        report = super().check(level, only, tell, cancelled, keep=False)
        if self._applied:
            after = self._repaired.check(level, only, lambda said: None, cancelled, keep=False)
            better = {run.check: run for run in after.runs}
            report = replace(report, runs=tuple(
                better.get(run.check, run) if {finding.remedy.role for finding in run.findings} & self._applied else run
                for run in report.runs))
        self._keep(report)
        return report

    def plan(self, roles: Sequence[str], tell: Tell, cancelled: Cancelled) -> Plan:
        """Return the played plan."""
        changes = self._changes(roles)
        names = tuple(dict.fromkeys(change.role for change in changes))
        for change in changes:
            tell({"event": "step", "role": change.role, "task": change.task,
                  "number": names.index(change.role) + 1, "count": len(names)})
            time.sleep(self._pace_s / 4)
        return Plan("demo", "", names, changes)

    def apply(self, roles: Sequence[str]) -> Follower:
        """Begin the played apply."""
        changes = self._changes(roles)
        self._applied |= {change.role for change in changes}
        self._played.append(_Played(changes, self._pace_s))
        return self._played[-1]

    def stop(self, follower: Follower) -> None:
        """Let the played apply end after its present task."""
        if isinstance(follower, _Played):
            follower.stopped = True

    def active(self) -> Follower | None:
        """Return None: nothing was begun before."""
        return None

    def way(self, look: Look) -> Way | None:
        """Return how far the play is."""
        done = [run for run in (each.look().run for each in self._played) if run and run.outcome is Outcome.DONE]
        whole = {role for run in done for role in run.roles} >= {change.role for change in self._story}
        full = max((kept.started for _, kept in self._kept if is_full(kept, everything(look))), default=0.0)
        runs = (replace(done[-1], roles=look.roles),) if whole else ()
        return judge_way(Kept(runs, full, left=self._left), look.roles, 0.0, time.time())

    def leave_way(self) -> None:
        """Offer it no more in this play."""
        self._left = True

    def entries(self, limit: int = 200) -> list[Entry]:
        """Return the reports of this demo, newest first."""
        return [entry for entry, _ in reversed(self._kept)][:limit]

    def proofs(self, hostname: str) -> list[Proof]:
        """Return the played results of smoke jobs: one a day."""
        from agent.desk.values import Proof
        from agent.model.job import JobLine

        found = []
        for told in json.loads((FOLDER / f"{self._name}.proofs.json").read_text(encoding="utf-8")):
            days = told["days"]
            lines = [JobLine(hostname, told["job"], told["subject"], "", told["last"] - DAY_S * (len(days) - number),
                             60.0, "pass" if number < len(days) else told["verdict"], figures, {})
                     for number, figures in enumerate(days, 1)]
            found.append(Proof(told["job"], told["subject"], tuple(lines), days[0]))
        return found

    def report(self, number: int) -> Report:
        """Return one of them."""
        found = next((report for entry, report in self._kept if entry.id == number), None)
        if found is None:
            raise FirstlightError(f"report {number}: not in this demo")
        return found

    def samples(self, every_s: float, cancelled: Cancelled) -> Iterator[Sample]:
        """Yield the recorded looks at the GPUs, over and over."""
        from agent.app import App
        from agent.desk.feed import sample_of

        machine = App(capture=self.capture).machine
        looks = gzip.decompress((FOLDER / f"{self._name}.gpu.jsonl.gz").read_bytes()).splitlines()
        while True:
            for line in looks:
                if cancelled():
                    return
                yield sample_of(json.loads(line), machine, names=False)
                end = time.monotonic() + every_s
                while time.monotonic() < end and not cancelled():
                    time.sleep(min(0.2, every_s))

    def _changes(self, roles: Sequence[str]) -> tuple[Change, ...]:
        return tuple(change for change in self._story
                     if (not roles or change.role in roles) and change.role not in self._applied)

    def _keep(self, report: Report) -> None:
        from agent.model.verdict import exit_code
        from agent.report.words import tally
        from agent.state.history import Entry

        code = exit_code(finding.verdict for finding in report.findings)
        self._kept.append((Entry(len(self._kept) + 1, "check", report.machine, report.profile, report.level,
                                 report.started, report.finished, code, tally(report), False), report))


class _Played(Follower):
    """A run that does one change after another and is none."""

    def __init__(self, changes: Sequence[Change], pace_s: float) -> None:
        self.pid, self.stopped = 0, False
        self._changes, self._pace_s = tuple(changes), pace_s
        self._began = time.time()
        self._done = 0

    def look(self) -> RunView:
        """Return what would be done by now."""
        if not self.stopped:
            self._done = min(len(self._changes), int((time.time() - self._began) / max(self._pace_s, 1e-6)))
        done = self._changes[:self._done]
        roles = tuple(dict.fromkeys(change.role for change in self._changes))
        over = self.stopped or len(done) == len(self._changes)
        outcome = Outcome.CANCELLED if self.stopped else Outcome.DONE
        run = Run("demo", "apply", "demo", roles, outcome, self._began, time.time(), done) if over else None
        now = self._changes[min(self._done, len(self._changes) - 1)] if self._changes else None
        lines = tuple(line for change in done
                      for line in (f"{change.role}: {change.task}", f"  changed {change.target}"))
        return RunView("demo", alive=not over, roles=roles, role=now.role if now and not over else "",
                       task=now.task if now and not over else "", steps=self._done, changes=done, lines=lines,
                       started=self._began, run=run)
