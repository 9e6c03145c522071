"""One machine as a face sees it. Every method may take its time: faces call them in threads of their own."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.desk.children import Child, is_alive, start_detached
from agent.desk.runs import Follower, RunView, find_active, find_of_process
from agent.desk.values import Drifted, Look, Proof, Sample, drifted_from, fleet_from, look_from, plan_from
from agent.model.document import report_from_document
from agent.model.errors import FirstlightError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from agent.desk.way import Way
    from agent.fleet.look import FleetLook
    from agent.model.finding import Report
    from agent.model.job import JobLine
    from agent.model.plan import Plan, Run
    from agent.state.history import Entry, History

    Cancelled = Callable[[], bool]
    Tell = Callable[[dict[str, Any]], None]

_BEGIN_S, _POLL_S = 20.0, 0.3
KEPT_PROOFS = 400


class Desk:
    """This machine, or a recording of one (`capture`), under a profile (None: the one that fits)."""

    demo = False

    def __init__(self, *, capture: str | None = None, profile: str | None = None) -> None:
        self.capture, self.profile = capture, profile
        self.fleet_source = ""  # an Ansible inventory or a folder of collected reports
        self._stuck = 0  # the process of an earlier feed that could not be ended

    @property
    def obstacle(self) -> str:
        """Return why nothing can be changed here, in words; empty when it can."""
        if self.capture is not None:
            return "this is a recording: it can be looked at, not changed"
        if os.geteuid() != 0:
            return "this needs root; run: sudo firstlight tui"
        return ""

    def look(self, cancelled: Cancelled = lambda: False) -> Look:
        """Return what the machine is and which profile it has. Raises FirstlightError."""
        return look_from(self._asked("look", "look", cancelled=cancelled)["look"])

    def check(self, level: str, only: Sequence[str], tell: Tell, cancelled: Cancelled, *, keep: bool) -> Report:
        """Return a report; `tell` hears `begin`, `start` and `done`. Raises FirstlightError."""
        said = self._asked("check", "report", tell, cancelled, level=level, only=list(only), keep=keep)
        return report_from_document(said["report"], "the checks")

    def plan(self, roles: Sequence[str], tell: Tell, cancelled: Cancelled) -> Plan:
        """Return what an apply of these roles (none: all) would change; `tell` hears each `step`."""
        if self.capture is not None:
            raise UsageError("a recording has no plan: a plan asks the machine itself",
                             "run firstlight tui on the machine")
        return plan_from(self._asked("plan", "plan", tell, cancelled, roles=list(roles))["plan"])

    def apply(self, roles: Sequence[str]) -> Follower:
        """Start an apply that goes on without us; return a hold on its journal. Raises FirstlightError."""
        if self.obstacle:
            raise UsageError(self.obstacle)
        from agent.provision.places import make_private, places

        where = places()
        try:
            log = make_private(where.runtime) / "apply-from-tui.log"
            pid = start_detached(self._apply_words(roles), log)
        except OSError as error:
            raise FirstlightError(f"{where.runtime}: {error.strerror or error}", "see: firstlight doctor") from error
        end = time.monotonic() + _BEGIN_S
        while (folder := find_of_process(where.runs, pid)) is None:
            if not is_alive(pid) or time.monotonic() > end:
                said = log.read_text(encoding="utf-8", errors="replace").strip() or "it said nothing"
                raise FirstlightError(f"the apply did not begin: {said}", "see: firstlight doctor")
            time.sleep(0.05)
        return Follower(folder)

    def active(self) -> Follower | None:
        """Return a hold on an apply that runs now, whoever started it, or None."""
        if self.capture is not None:
            return None
        from agent.provision.places import places

        folder = find_active(places().runs)
        return Follower(folder) if folder is not None else None

    def stop(self, follower: Follower) -> None:
        """Ask a run to stop: after its current task; the second time at once."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(follower.pid, signal.SIGINT)

    def follow(self, follower: Follower, cancelled: Cancelled) -> Iterator[RunView]:
        """Yield what a run has done, at each change, until it has ended."""
        last: RunView | None = None
        while not cancelled():
            view = follower.look()
            if view != last:
                yield view
            if view.run is not None or not view.alive:
                return
            last = view
            time.sleep(_POLL_S)

    def way(self, look: Look) -> Way | None:
        """Return how far this machine's first boot is; None where only root could tell. Raises StateError."""
        if self.obstacle or not look.roles:
            return None
        from agent.desk import way
        from agent.provision.places import places

        with self._history() as history:
            kept = way.load_kept(places().runs, history, way.everything(look))
        now = time.time()
        return way.judge_way(kept, look.roles, way.booted_at(now), now)

    def leave_way(self) -> None:
        """Offer the way of the first boot no more. Raises FirstlightError."""
        if self.obstacle:
            raise UsageError(self.obstacle)
        from agent.desk.way import leave_way
        from agent.state.folder import state_folder

        leave_way(state_folder(), _who())

    def entries(self, limit: int = 200) -> list[Entry]:
        """Return the newest reports and runs kept, newest first. Raises StateError."""
        if self.capture is not None:
            return []
        with self._history() as history:
            return history.entries(limit)

    def report(self, number: int) -> Report:
        """Return a kept report. Raises FirstlightError."""
        with self._history() as history:
            return history.report(number)

    def run(self, number: int) -> Run:
        """Return a kept run with its changes. Raises FirstlightError."""
        from agent.provision.journal import run_from_document

        with self._history() as history:
            return run_from_document(history.run_document(number))

    def drift(self, cancelled: Cancelled) -> Drifted:
        """Return what drifted from the profile and the accepted baseline. Raises FirstlightError."""
        return drifted_from(self._asked("drift", "drift", cancelled=cancelled)["drift"])

    def accept_drift(self, reason: str) -> None:
        """Make the machine as it is now its baseline. Raises FirstlightError."""
        if self.capture is not None:
            raise UsageError("a recorded machine cannot be accepted", "accept on the machine itself")
        self._asked("accept", "accept", reason=reason, who=_who())

    def fleet(self, source: str, tell: Tell, cancelled: Cancelled) -> FleetLook:
        """Return how the machines of an inventory or of a folder of reports compare; `tell` hears each `answer`."""
        return fleet_from(self._asked("fleet", "fleet", tell, cancelled, source=source)["fleet"])

    def smoke(self, jobs: Sequence[str], tell: Tell, cancelled: Cancelled) -> Report:
        """Run smoke jobs (none: all); `tell` hears `start`, `say` and `done`. Raises FirstlightError."""
        if self.capture is not None:
            raise UsageError("a smoke job needs the machine itself, and this is a recording")
        said = self._asked("smoke", "smoke", tell, cancelled, jobs=list(jobs))
        return report_from_document(said["report"], "the smoke jobs")

    def proofs(self, hostname: str) -> list[Proof]:
        """Return the kept results of smoke jobs on this machine, by job and subject. Raises StateError."""
        if self.capture is not None:
            return []
        from agent.state.jobs import JobHistory

        found: dict[tuple[str, str], list[JobLine]] = {}
        with self._history() as history:
            kept = JobHistory(history)
            lines_here = [line for line in kept.lines(hostname, limit=KEPT_PROOFS) if not line.remote]
            newest = {line.job: line.started for line in reversed(lines_here)}
            for line in reversed(lines_here):
                found.setdefault((line.job, line.subject), []).append(line)
            return [Proof(job, subject, tuple(lines), kept.first_day(hostname, job, subject, lines[-1].setting),
                          current=lines[-1].started == newest[job])
                    for (job, subject), lines in found.items()]

    def samples(self, every_s: float, cancelled: Cancelled) -> Iterator[Sample]:
        """Yield the GPUs, about every `every_s` seconds; of a recording once, as it was."""
        if self.capture is not None:
            yield self._recorded_sample()
            return
        from agent.desk.feed import SILENT_AFTER_S, WATCH, sample_of
        from agent.machine.local import LocalMachine

        if self._stuck and is_alive(self._stuck):
            yield Sample(trouble=f"NVML does not answer: process {self._stuck} still waits in the driver")
            return
        child = Child(*WATCH, f"{every_s:g}")
        heard, trouble = time.monotonic(), ""

        def over() -> bool:
            return cancelled() or time.monotonic() - heard > SILENT_AFTER_S + every_s

        try:
            for said in child.objects(over):
                heard = time.monotonic()
                sample = sample_of(said, LocalMachine())
                trouble = sample.trouble
                yield sample
            if not cancelled() and not trouble:
                reason = child.errors().rpartition("\n")[2] or "NVML does not answer"
                yield Sample(trouble=f"{reason}; firstlight check --only gpu.responds says more")
        finally:
            self._stuck = 0 if child.end(gently=False) is not None else child.pid

    def _recorded_sample(self) -> Sample:
        from agent.app import App
        from agent.desk.feed import sample_of_view

        app = App(capture=self.capture)
        view = app.graphics.view
        if view is None:
            return Sample(trouble=app.graphics.silence or "no NVIDIA GPU in this recording")
        return sample_of_view(view, app.machine, names=False)

    def _apply_words(self, roles: Sequence[str]) -> list[str]:
        words = ["apply", "--yes", *(["--profile", self.profile] if self.profile else [])]
        return words + (["--only", ",".join(roles)] if roles else [])

    def _history(self) -> History:
        from agent.state.folder import state_folder
        from agent.state.history import History

        return History(state_folder())

    def _asked(self, do: str, wanted: str, tell: Tell = lambda said: None,
               cancelled: Cancelled = lambda: False, **more: Any) -> dict[str, Any]:
        """Let a worker do something; return its event `wanted`. Raises FirstlightError with what it said."""
        capture = str(Path(self.capture).absolute()) if self.capture else None
        request = {"do": do, "capture": capture, "profile": self.profile, **more}
        child = Child("-m", "agent.desk.worker", json.dumps(request))
        try:
            for said in child.objects(cancelled):
                if said.get("event") == wanted:
                    return said
                if said.get("event") == "error":
                    raise FirstlightError(str(said["message"]), str(said["hint"]))
                tell(said)
            last = child.errors().rpartition("\n")[2]
        finally:
            with contextlib.suppress(OSError):
                child.end()
        raise FirstlightError("cancelled" if cancelled() else f"the {do} broke off: {last or 'it said nothing'}")


def _who() -> str:
    """Return the name of the person at the keys."""
    try:
        return os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
