"""The way of the first boot, told from what is kept: each story begins in an application that knows nothing else."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from agent.desk.desk import Desk
from agent.desk.values import Look
from agent.desk.way import LEFT, LOOKED_AT, YOUNG_S, Kept, Way, judge_way
from agent.model.finding import CheckRun, Finding, Report
from agent.model.job import REMOTE, JobLine
from agent.model.plan import Outcome, Run
from agent.model.verdict import Verdict
from agent.provision.journal import close_folder, new_id
from agent.state.history import History
from agent.state.jobs import JobHistory
from tests.tui.driving import Remembering, leave, text_of, until
from tui.app import FirstlightApp

if TYPE_CHECKING:
    from textual.pilot import Pilot

pytestmark = pytest.mark.timeout(900)
ROLES = ("base", "sysctl")
NOW = 2e9
HOUR_S = 3600.0


class Kindled(Remembering):
    """The demo machine with what this test keeps in the state folder."""

    def way(self, look: Look) -> Way | None:
        """Return the way as for a machine that is no play."""
        return Desk.way(self, look)

    def leave_way(self) -> None:
        """Leave it as on a machine that is no play."""
        Desk.leave_way(self)


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FIRSTLIGHT_STATE", str(tmp_path))
    monkeypatch.setattr("agent.desk.way.booted_at", lambda now: now - 60.0)
    return tmp_path


def told(act: Callable[[FirstlightApp, Pilot[Any]], Awaitable[None]] | None = None) -> str:
    """Return what the screen Provision of a new application says, after an act."""
    shown = ""

    async def run() -> None:
        nonlocal shown
        app = FirstlightApp(Kindled("server", pace_s=0.01))
        async with app.run_test(size=(80, 24)) as pilot:
            await until(pilot, lambda: app.state.way is not None and app.state.report is not None)
            await pilot.press("3")
            await until(pilot, lambda: "profile datacenter" in text_of(app))
            if act is not None:
                await act(app, pilot)
            shown = text_of(app)
            await leave(pilot)

    asyncio.run(run())
    return shown


def look() -> Look:
    return Kindled("server").look()


def applied(state: Path, finished: float, *, reboot: bool = False, outcome: Outcome = Outcome.DONE,
            roles: tuple[str, ...] = ()) -> None:
    """Keep an apply, by default one of every role."""
    run = Run(new_id("apply"), "apply", "datacenter", roles or look().roles, outcome, finished - 60, finished, (),
              reboot_required=reboot)
    folder = state / "runs" / run.id
    folder.mkdir(parents=True)
    close_folder(folder, run)


def checked(state: Path, started: float, only: str = "", level: str = "standard") -> None:
    """Keep a report, by default one of every check."""
    names = [each.id for each in look().checks if each.level != "deep" and each.id.startswith(only)]
    runs = tuple(CheckRun(name, name, 0.1, (Finding(name, Verdict.PASS, "As it must be."),)) for name in names)
    with History(state) as history:
        history.add_report(Report("host", "datacenter", "digest", level, started, started + 1, runs))


def proven(state: Path, started: float, verdict: str = "pass", job: str = "bandwidth", setting: str = "") -> None:
    """Keep a result of a smoke job."""
    with History(state) as history:
        JobHistory(history).add(JobLine("host", job, "GPU-1", setting, started, 1.0, verdict, {}, {}))


def test_a_fresh_machine_is_led_to_the_plan(state: Path) -> None:
    async def act(app: FirstlightApp, pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: "x Leave first boot" in text_of(app))

    text = told(act)
    assert "First boot: this machine was never provisioned" in text
    assert "▸ 2. plan" in text


def test_after_the_apply_another_application_asks_for_the_reboot_that_it_wants(state: Path) -> None:
    applied(state, time.time() - 10, reboot=True)
    text = told()
    assert "✓ 2. plan" in text
    assert "▸ 3. reboot   n: do it" in text


def test_after_the_reboot_the_check_is_next_and_n_makes_it(state: Path) -> None:
    applied(state, time.time() - HOUR_S, reboot=True)
    asked: list[str] = []

    async def act(app: FirstlightApp, pilot: Pilot[Any]) -> None:
        assert "▸ 4. check everything   n: do it" in text_of(app)
        app.run_checks = lambda level, only=(): asked.append(level)  # type: ignore[method-assign]
        await pilot.press("n")

    text = told(act)
    assert "✓ 3. reboot" in text
    assert asked == ["standard"]


def test_after_the_check_the_smoke_jobs_are_next_and_n_goes_there(state: Path) -> None:
    applied(state, time.time() - HOUR_S, reboot=True)
    checked(state, time.time() - 30)

    async def act(app: FirstlightApp, pilot: Pilot[Any]) -> None:
        assert "✓ 4. check everything" in text_of(app)
        assert "▸ 5. prove it: the smoke jobs   n: do it" in text_of(app)
        await pilot.press("n")
        await until(pilot, lambda: "[7 Smoke]" in text_of(app))

    told(act)


def test_a_proven_machine_is_led_no_more(state: Path) -> None:
    applied(state, time.time() - HOUR_S, reboot=True)
    checked(state, time.time() - 30)
    proven(state, time.time() - 20)
    text = told()
    assert "First boot" not in text
    assert "eave first boot" not in text
    assert "p plans it" in text


def test_a_machine_long_in_use_without_smoke_results_is_not_led(state: Path) -> None:
    applied(state, time.time() - YOUNG_S - HOUR_S)
    applied(state, time.time() - HOUR_S)
    assert "First boot" not in told()


def test_one_key_leaves_the_first_boot_for_good(state: Path) -> None:
    async def act(app: FirstlightApp, pilot: Pilot[Any]) -> None:
        await pilot.press("x")
        await until(pilot, lambda: "First boot:" not in text_of(app))

    told(act)
    assert "left by" in (state / LEFT).read_text()
    assert "First boot" not in told()


def test_what_is_kept_is_judged_as_it_lies_there(state: Path) -> None:
    desk, seen = Kindled("server"), look()
    applied(state, time.time() - 5 * HOUR_S, outcome=Outcome.FAILED)
    applied(state, time.time() - 4 * HOUR_S, roles=("sysctl",))
    (state / "runs" / "20990101T000000.000Z-apply-1").mkdir()
    assert desk.way(seen) == Way(offered=True), "only an apply of every role provisions"
    applied(state, time.time() - 3 * HOUR_S, outcome=Outcome.REFUSED)
    checked(state, time.time() - 2 * HOUR_S, level="quick")
    checked(state, time.time() - 2 * HOUR_S, only="kernel")
    assert desk.way(seen) == Way(True, False, True, offered=True), "only a check of everything is one"
    checked(state, time.time() - HOUR_S)
    for _ in range(LOOKED_AT + 5):
        checked(state, time.time() - 60, only="kernel.sysctl", level="quick")
    proven(state, time.time() - 4 * HOUR_S, job="nvcc")
    assert desk.way(seen) == Way(True, False, True, True, offered=True), "an older result proves nothing"
    proven(state, time.time() - 45, job="serve", setting=REMOTE)
    assert desk.way(seen) == Way(True, False, True, True, offered=True), "another machine's work proves nothing here"
    proven(state, time.time() - 50, "fail")
    assert desk.way(seen) == Way(True, False, True, True, offered=True)
    proven(state, time.time() - 40)
    assert desk.way(seen) == Way(True, False, True, True, True)


def test_only_root_on_the_machine_itself_is_led(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = look()
    assert Desk(capture="x.json").way(seen) is None
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert Desk().way(seen) is None


def run_of(finished: float, *, reboot: bool = False, roles: tuple[str, ...] = ROLES) -> Run:
    return Run("1", "apply", "p", roles, Outcome.DONE, finished - 60, finished, (), reboot_required=reboot)


def test_a_check_before_the_reboot_is_none() -> None:
    run = run_of(NOW - 100, reboot=True)
    assert not judge_way(Kept((run,), NOW - 90), ROLES, NOW - 50, NOW).checked
    assert judge_way(Kept((run,), NOW - 40), ROLES, NOW - 50, NOW).checked


@pytest.mark.parametrize("later", [run_of(NOW - 10), run_of(NOW - 10, roles=("sysctl",), reboot=True)])
def test_a_proven_machine_stays_so_after_another_apply_and_another_reboot(later: Run) -> None:
    kept = Kept((run_of(NOW - 100, reboot=True), later), NOW - 40, ((NOW - 30, "pass"),))
    assert not judge_way(kept, ROLES, NOW - 5, NOW).offered


def test_a_first_boot_that_up_brought_to_its_end_is_over() -> None:
    assert not judge_way(Kept((run_of(NOW - 100),), brought=True), ROLES, NOW - 50, NOW).offered
