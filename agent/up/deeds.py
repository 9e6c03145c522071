"""The deeds of a first boot on this machine: through the app, the playbook, systemd."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from agent.machine.process import run_command
from agent.model.errors import FirstlightError, Missing, StateError, Unobservable
from agent.model.plan import Outcome, Run
from agent.model.verdict import Verdict, exit_code
from agent.up.gate import obstacles, reboot_wanted
from agent.up.message import render_message, write_message

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.app import App
    from agent.model.finding import Report
    from agent.provision.job import Job
    from agent.up.state import FirstBoot

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
LEVEL = "standard"
BOOT_WAIT_S = 600


def current_boot() -> str:
    """Return the kernel's id of this boot."""
    return BOOT_ID.read_text(encoding="ascii").strip()


class MachineDeeds:
    """`ask` puts a yes-or-no question to the person who looks on; nobody looks on when `unattended`."""

    def __init__(self, state: FirstBoot, app: Callable[[], App], *, unattended: bool, say: Callable[[str], None],
                 ask: Callable[[str], bool], plan: Callable[[Job], None], apply: Callable[[App, Job], Run],
                 show: Callable[[tuple[Report, ...], FirstBoot], None]) -> None:
        self.unattended, self._state, self._app = unattended, state, app
        self.say, self._ask, self._planned, self._applied, self._show = say, ask, plan, apply, show
        self._reports: dict[str, Report] = {}

    def boot_id(self) -> str:
        """Return the kernel's id of this boot."""
        return current_boot()

    def plan(self) -> None:
        """Show what the apply will change."""
        self._planned(self._job(self._app()))

    def apply(self) -> Run:
        """Apply the whole profile."""
        self._await_boot()
        app = self._app()
        run = self._applied(app, self._job(app))
        os.sync()  # everything it made is on disk before the state says that it is made
        return run

    def _job(self, app: App) -> Job:
        from agent.provision.job import prepare

        return prepare(app.resolved, app.hardware, allow_disruption=self._state.allow_disruption)

    def reboot_wanted(self) -> bool:
        """Return whether the next boot brings another kernel or driver; not being able to tell is no wish."""
        try:
            return reboot_wanted(self._app().machine)
        except Unobservable as error:
            self.say(f"whether a reboot is wanted cannot be told: {error.message}")
            return False

    def obstacles(self) -> tuple[str, ...]:
        """Return the reasons against a reboot: the gate's, and work on a GPU."""
        from agent.provision.reboot import gpu_users

        users = () if self._state.allow_disruption else gpu_users()
        at_work = (f"{', '.join(users)} use the GPU; --allow-disruption reboots anyway",) if users else ()
        return (*obstacles(self._app().machine), *at_work)

    def may_reboot(self) -> bool:
        """Return whether a reboot was allowed beforehand, or is now."""
        return self._state.allow_reboot or (not self.unattended and self._ask("Reboot now? [y/N] "))

    def reboot(self) -> None:
        """Reboot."""
        from agent.provision.reboot import reboot

        reboot()

    def check(self) -> int | None:
        """Check at the standard level and keep the report."""
        self._await_boot()
        app = self._app()
        self._reports["check"] = report = app.check(level=LEVEL)
        return app.keep(report, self.say)

    def smoke(self) -> None:
        """Prove that the machine can work; each job's result is kept. A machine without a GPU has nothing to prove."""
        from agent.smoke.catalogue import chosen_jobs
        from agent.smoke.running import run_jobs
        from agent.state.jobs import JobHistory

        self._await_boot()
        app = self._app()
        history = None
        try:
            history = JobHistory(app.history())
        except StateError as error:
            self.say(f"the results of the smoke jobs are not kept: {error.message}")
        try:
            session = app.smoke({}, history=history, allow_busy=self._state.allow_disruption)
            report, _ = run_jobs(session, chosen_jobs(()), on_start=lambda name: self.say(f"proving {name}"),
                                 on_done=lambda run: None, warn=self.say)
        finally:
            if history is not None:
                history.close()
                app.tell_exporter(self.say)
        self._reports["smoke"] = report

    def scorecard(self, state: FirstBoot) -> None:
        """Show and keep how it ended. What cannot be written is said; it does not undo the first boot."""
        app = self._app()
        reports = self._kept_reports(app, state)
        self._show(reports, state)
        failed = not reports or any(finding.verdict is Verdict.FAIL for one in reports for finding in one.findings)
        run = Run(state.id, "up", app.resolved.profile.name, (), Outcome.FAILED if failed else Outcome.DONE,
                  state.started, time.time(), (), failure="; ".join(state.notes))
        try:
            write_message(render_message(state, reports))
            with app.history() as history:
                history.add_run(run, app.hardware.hostname)
            app.tell_exporter(self.say)
        except StateError as error:
            self.say(error.message)

    def code(self, state: FirstBoot) -> int:
        """Return the exit code of a first boot that is done: the findings', at least 2 when something was noted."""
        verdicts = [finding.verdict for report in self._reports.values() for finding in report.findings]
        return exit_code([*verdicts, *((Verdict.WARN,) if state.notes else ())])

    def _await_boot(self) -> None:
        """Wait, bounded, for the end of the boot: our unit is no part of it, and a service that starts is not there."""
        try:
            state = run_command(("systemctl", "is-system-running"), 30).out.strip()
            if state in ("initializing", "starting"):
                self.say("waiting for the end of the boot")
                run_command(("systemctl", "is-system-running", "--wait"), BOOT_WAIT_S)
        except Missing:
            return  # not started by systemd
        except Unobservable as error:
            self.say(f"the boot has not ended: {error.message}; going on")

    def _kept_reports(self, app: App, state: FirstBoot) -> tuple[Report, ...]:
        """Return the reports of the check and the jobs; what a crash has taken from memory is read or done again."""
        if "check" not in self._reports and state.check_report is not None:
            try:
                with app.history() as history:
                    self._reports["check"] = history.report(state.check_report)
            except FirstlightError as error:  # a power cut can take the last entry with it
                self.say(f"the report of the check is gone ({error.message}); checking again")
        if "check" not in self._reports:
            self.check()
        if "smoke" not in self._reports:
            self.smoke()
        return self._reports["check"], self._reports["smoke"]
