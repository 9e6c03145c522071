"""What goes on behind the screens: each job is a thread that talks to the desk and posts what became known."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from textual.worker import get_current_worker

from agent.model.errors import FirstlightError
from tui.state import Changed, Work

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agent.desk.runs import Follower
    from agent.desk.values import Look
    from tui.app import FirstlightApp

EVERY_S = 1.0
AGAIN_S, SLOWEST_S = 30.0, 600.0


class Jobs:
    """The jobs of one application."""

    def __init__(self, app: FirstlightApp) -> None:
        self._app, self._desk = app, app.desk
        self._follower: Follower | None = None

    def begin(self) -> None:
        """Start what runs from the beginning."""
        self._run("look", self._look)
        self._run("feed", self._feed)
        self.entries()
        self._run("active", self._active)
        self.check("quick", keep=False)

    def check(self, level: str, only: Sequence[str] = (), *, keep: bool = True, topic: str = "report") -> None:
        """Run checks."""
        self._run("check", lambda: self._check(level, only, topic, keep=keep and not only))

    def drift(self) -> None:
        """Look for drift."""
        self._run("drift", self._drift)

    def accept(self, reason: str) -> None:
        """Accept the machine as it is, and look again."""
        self._run("drift", lambda: self._accept(reason))

    def smoke(self, jobs: Sequence[str]) -> None:
        """Run smoke jobs (none: all)."""
        self._run("smoke", lambda: self._smoke(jobs))

    def fleet(self) -> None:
        """Look at the fleet that is named."""
        self._run("fleet", self._fleet)

    def proofs(self) -> None:
        """Read the kept results of smoke jobs."""
        self._run("proofs", self._proofs)

    def entries(self) -> None:
        """Read the history."""
        self._run("entries", self._entries)

    def apply(self, roles: Sequence[str], checks: Sequence[str]) -> None:
        """Start an apply, follow it, look again."""
        self._run("apply", lambda: self._apply(roles, checks))

    def leave_way(self) -> None:
        """Offer the first boot no more."""
        self._run("way", self._leave_way)

    def stop(self) -> None:
        """Ask the apply that is followed to stop."""
        if self._follower is not None:
            self._desk.stop(self._follower)

    def _run(self, group: str, job: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                job()
            except FirstlightError as error:
                if not get_current_worker().is_cancelled:
                    self._tell("problem", " ".join(filter(None, (f"{error.message}.", error.hint))), group)

        self._app.run_worker(guarded, thread=True, group=group, exclusive=True, exit_on_error=True)

    def _tell(self, topic: str, value: object, group: str = "") -> None:
        if topic == "problem" and group == "apply":
            self._app.call_from_thread(self._say_to_repair, str(value))
        self._app.post_message(Changed(topic, value))

    def _say_to_repair(self, text: str) -> None:
        from tui.screens.repair import Repair

        if isinstance(self._app.screen, Repair):
            self._app.screen.take_problem(text)

    def _look(self) -> None:
        worker = get_current_worker()
        look = self._desk.look(lambda: worker.is_cancelled)
        self._tell("look", look)
        self._way(look)

    def _way(self, look: Look | None = None) -> None:
        look = look or self._app.state.look
        if look is not None:
            self._tell("way", self._desk.way(look))

    def _leave_way(self) -> None:
        self._desk.leave_way()
        self._way()

    def _entries(self) -> None:
        self._tell("entries", self._desk.entries())

    def _kept(self) -> None:
        """Read again what is kept: something was added."""
        self._entries()
        self._way()

    def _smoke(self, jobs: Sequence[str]) -> None:
        worker = get_current_worker()
        title = f"smoke: {', '.join(jobs) or 'all jobs'}"
        self._tell("work", Work(title))

        def tell(said: dict[str, Any]) -> None:
            if said.get("event") in ("start", "say"):
                text = str(said.get("check") or said.get("text"))
                self._tell("work", Work(title, now=text))
                self._tell("said", text)

        report = self._desk.smoke(jobs, tell, lambda: worker.is_cancelled)
        self._tell("work", None)
        self._tell("smoke", report)
        self._proofs()
        self._way()

    def _proofs(self) -> None:
        look = self._app.state.look
        self._tell("proofs", self._desk.proofs(look.hostname if look is not None else ""))

    def _drift(self) -> None:
        worker = get_current_worker()
        self._tell("work", Work("looking for drift"))
        seen = self._desk.drift(lambda: worker.is_cancelled)
        self._tell("work", None)
        self._tell("drift", seen)

    def _fleet(self) -> None:
        worker = get_current_worker()
        title = f"looking at {self._desk.fleet_source}"
        self._tell("work", Work(title))

        def tell(said: dict[str, Any]) -> None:
            if said.get("event") == "answer":
                self._tell("work", Work(title, said["done"], said["total"], said["host"]))

        seen = self._desk.fleet(self._desk.fleet_source, tell, lambda: worker.is_cancelled)
        self._tell("work", None)
        self._tell("fleet", seen)

    def _accept(self, reason: str) -> None:
        self._desk.accept_drift(reason)
        self._drift()

    def _feed(self) -> None:
        """Post samples; a driver that hangs is asked again less and less often."""
        worker, pause_s = get_current_worker(), AGAIN_S
        while not worker.is_cancelled:
            for sample in self._desk.samples(EVERY_S, lambda: worker.is_cancelled):
                self._tell("sample", sample)
                if not sample.trouble:
                    pause_s = AGAIN_S
            if self._desk.capture is not None:
                return
            end = time.monotonic() + pause_s
            while time.monotonic() < end and not worker.is_cancelled:
                time.sleep(0.2)
            pause_s = min(SLOWEST_S, pause_s * 2)

    def _active(self) -> None:
        follower = self._desk.active()
        if follower is not None:
            self._follow(follower)

    def _check(self, level: str, only: Sequence[str], topic: str, *, keep: bool) -> None:
        worker = get_current_worker()
        title = f"looking at {', '.join(only)}" if only else f"looking ({level})"
        work = Work(title)
        self._tell("work", work)

        def tell(said: dict[str, Any]) -> None:
            nonlocal work
            if said.get("event") == "begin":
                work = Work(title, 0, said["total"])
            elif said.get("event") == "start":
                work = Work(title, work.done, work.total, said["check"])
            elif said.get("event") == "done":
                work = Work(title, work.done + 1, work.total, work.now)
                return
            self._tell("work", work)

        report = self._desk.check(level, only, tell, lambda: worker.is_cancelled, keep=keep)
        self._tell(topic, report)
        self._kept()

    def _apply(self, roles: Sequence[str], checks: Sequence[str]) -> None:
        self._follow(self._desk.apply(roles), checks)

    def _follow(self, follower: Follower, checks: Sequence[str] = ()) -> None:
        """Tell what a run does; when it has ended, however it did, look again at what it was for."""
        worker, self._follower = get_current_worker(), follower
        view = None
        for view in self._desk.follow(follower, lambda: worker.is_cancelled):
            self._tell("run", view)
        self._kept()
        if view is not None and not view.is_running:
            self._app.call_from_thread(self._look_again, view.roles, checks)

    def _look_again(self, roles: Sequence[str], checks: Sequence[str]) -> None:
        """Look at these checks; without any at those of the roles, after an apply of every role at everything."""
        look, report = self._app.state.look, self._app.state.report
        kept = [] if look is None or set(look.roles) <= set(roles) else [
            check.id for check in look.checks if check.role in roles and check.level != "deep"]
        if checks:
            self.check("deep", checks, topic="rechecked")
        elif kept:
            self.check("standard", kept)
        else:
            self.check("quick" if report is None or report.level == "quick" else "standard")
