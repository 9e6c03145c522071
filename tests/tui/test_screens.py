"""Every screen, driven by keys at two sizes, on the demo machine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from textual.events import Key
from textual.pilot import Pilot
from textual.widgets import DataTable, Input, OptionList, Static

from agent.desk.values import Proof
from agent.model.finding import Finding
from agent.model.job import JobLine
from agent.model.plan import Change, Outcome, Refusal, Run
from agent.state.history import Entry
from tests.tui.driving import leave, settled, text_of, until
from tui.app import FirstlightApp
from tui.demo import DemoDesk
from tui.screens.help import Help
from tui.screens.repair import Repair, Stage
from tui.state import Changed
from tui.widgets.tree import CheckTree

pytestmark = pytest.mark.timeout(900)  # a busy machine is slow, and no fault of a screen
SIZES = ((80, 24), (140, 40))
Story = Callable[[FirstlightApp, Pilot[Any]], Awaitable[None]]


class Powerless(DemoDesk):
    """The demo machine as somebody without rights sees it."""

    obstacle = "this needs root; run: sudo firstlight tui"


def drive(size: tuple[int, int], story: Story, *, name: str = "server", desk: type[DemoDesk] = DemoDesk) -> None:
    """Run the application on a demo machine at a size and do what the story does."""

    async def run() -> None:
        app = FirstlightApp(desk(name, pace_s=0.02))
        async with app.run_test(size=size) as pilot:
            await settled(pilot)
            await story(app, pilot)
            await leave(pilot)

    asyncio.run(run())


@pytest.mark.parametrize("size", SIZES)
def test_the_overview_says_what_is_wrong_first_and_shows_every_gpu(size: tuple[int, int]) -> None:
    async def story(app: FirstlightApp, pilot: Pilot[Any]) -> None:
        text = text_of(app)
        assert "[1 Overview]" in text
        assert text.index("✗ FAIL") < text.index("GPU0")
        assert "84/87 °C" in text
        shown = app.screen.query_one(OptionList)
        await pilot.press("tab", "down", "enter")
        await until(pilot, lambda: "[2 Checks]" in text_of(app))
        tree = app.screen.query_one(CheckTree)
        await until(pilot, lambda: isinstance(tree.chosen(), Finding))
        chosen = tree.chosen()
        assert isinstance(chosen, Finding)
        assert shown.get_option_at_index(shown.highlighted or 0).id == f"{chosen.check}\n{chosen.subject}"

    drive(size, story)


@pytest.mark.parametrize("size", SIZES)
def test_unified_memory_is_one_bar_with_the_gpus_part_in_it(size: tuple[int, int]) -> None:
    async def story(app: FirstlightApp, pilot: Pilot[Any]) -> None:
        text = text_of(app)
        assert "one pool for CPU and GPU" in text
        assert "█ GPU" in text
        assert "of shared memory" in text

    drive(size, story, name="spark")


@pytest.mark.parametrize("size", SIZES)
def test_the_checks_are_found_explained_and_narrowed(size: tuple[int, int]) -> None:
    async def story(app: FirstlightApp, pilot: Pilot[Any]) -> None:
        await pilot.press("2", "slash", *"swappiness is")
        tree = app.screen.query_one(CheckTree)
        await until(pilot, lambda: len(tree.root.children) == 1)
        await until(pilot, lambda: tree.chosen_name() == "kernel" and "kernel: " in text_of(app))
        await pilot.press("enter", "j")
        await until(pilot, lambda: isinstance(tree.chosen(), Finding))
        text = text_of(app)
        for words in ("kernel.sysctl", "why it matters", "seen", "expected", "what to do"):
            assert words in text
        await pilot.press("escape")
        await until(pilot, lambda: len(tree.root.children) > 3)
        assert not app.screen.query_one("#search", Input).display
        await pilot.press("w")
        await until(pilot, lambda: all(
            isinstance(leaf.data, Finding) and leaf.data.verdict.value in ("fail", "warn", "unknown")
            for area in tree.root.children for leaf in area.children))

    drive(size, story)


def test_keys_typed_right_behind_the_slash_are_for_the_search() -> None:
    async def story(app: FirstlightApp, pilot: Pilot[Any]) -> None:
        await pilot.press("2")
        await until(pilot, lambda: "[2 Checks]" in text_of(app))
        for key, character in (("slash", "/"), ("s", "s"), ("w", "w")):
            app.post_message(Key(key, character))
        await until(pilot, lambda: app.screen.query_one("#search", Input).value == "sw", seconds=20)

    drive((80, 24), story)


def test_keys_typed_right_behind_a_number_are_for_its_screen_and_digits_in_a_line_for_the_line() -> None:
    async def story(app: FirstlightApp, pilot: Pilot[Any]) -> None:
        await pilot.press("8")
        await until(pilot, lambda: app.state.fleet)
        for start in ("1", "3"):
            await pilot.press(start)
            await pilot.pause(0.3)
            for key, character in (("8", "8"), ("slash", "/"), ("g", "g"), ("1", "1"), ("3", "3")):
                app.post_message(Key(key, character))
            await until(pilot, lambda: "[8 Fleet]" in text_of(app), seconds=20)
            await until(pilot, lambda: app.screen.query_one("#search", Input).value == "g13", seconds=20)
            await pilot.press("escape")
        await pilot.press("question_mark", "3")
        await until(pilot, lambda: isinstance(app.screen, Help))
        assert app.current_mode == "fleet"

    drive((80, 24), story)


@pytest.mark.parametrize(("place", "opens", "last"), [("2", "slash", "w"), ("8", "slash", "j"), ("6", "A", "j")])
def test_keys_typed_right_behind_enter_are_for_the_list(place: str, opens: str, last: str) -> None:
    async def story(app: FirstlightApp, pilot: Pilot[Any]) -> None:
        await pilot.press(place)
        await until(pilot, lambda: f"[{place} " in text_of(app) and app.screen.query(Input))
        await until(pilot, lambda: place != "8" or app.state.fleet)
        taken: list[str] = []
        app.jobs.accept = taken.append  # type: ignore[method-assign]
        app.desk.capture = None if place == "6" else app.desk.capture
        for key, character in ((opens, "/"), ("s", "s"), ("p", "p"), ("a", "a"), ("enter", "\r"), (last, last)):
            app.post_message(Key(key, character))
        await until(pilot, lambda: [box.value for box in app.screen.query(Input) if box.value] == ["spa"] or taken,
                    seconds=20)
        await pilot.pause(0.5)
        assert taken == (["spa"] if place == "6" else []), "the whole line"
        assert [box.value for box in app.screen.query(Input) if box.value] in ([], ["spa"]), "and no key more"
        assert not isinstance(app.focused, Input)

    drive((80, 24), story)


@pytest.mark.parametrize("size", SIZES)
def test_a_finding_is_planned_asked_about_applied_and_looked_at_again(size: tuple[int, int]) -> None:
    async def story(app: FirstlightApp, pilot: Pilot[Any]) -> None:
        app.open_check("kernel.sysctl", "vm.swappiness")
        await until(pilot, lambda: app.screen.query(CheckTree) and isinstance(
            app.screen.query_one(CheckTree).chosen(), Finding))
        await pilot.press("f")
        await until(pilot, lambda: isinstance(app.screen, Repair) and app.screen.stage is Stage.PLANNED)
        text = text_of(app)
        assert "Make these 3 changes?" in text
        assert "- 60" in text
        assert "+ 10" in text
        assert app.state.run is None, "nothing was applied before the answer"
        await pilot.press("a")
        await until(pilot, lambda: "looked again" in text_of(app))
        assert "✓ pass    kernel.sysctl  All 2 kernel settings" in text_of(app)
        assert app.state.report is not None
        fixed = [item for item in app.state.report.findings if item.check == "kernel.sysctl"]
        assert {item.verdict.value for item in fixed} == {"pass"}
        assert len(app.state.report.runs) > 40, "the other checks are still known"

    drive(size, story)


@pytest.mark.parametrize("size", SIZES)
def test_without_rights_the_plan_is_shown_and_nothing_can_be_applied(size: tuple[int, int]) -> None:
    async def story(app: FirstlightApp, pilot: Pilot[Any]) -> None:
        assert "look only: this needs root" in text_of(app)
        await pilot.press("3", "p")
        await until(pilot, lambda: isinstance(app.screen, Repair) and app.screen.stage is Stage.PLANNED)
        text = text_of(app)
        assert "6 changes; this needs root" in text
        assert "vm.swappiness" in text
        assert "a Apply" not in text
        await pilot.press("a")
        await pilot.pause(0.3)
        assert app.state.run is None
        assert isinstance(app.screen, Repair)
        assert app.screen.stage is Stage.PLANNED

    drive(size, story, desk=Powerless)


@pytest.mark.parametrize("size", SIZES)
def test_provision_leads_through_the_first_boot_and_says_where_values_are_written(size: tuple[int, int]) -> None:
    async def story(app: FirstlightApp, pilot: Pilot[Any]) -> None:
        await pilot.press("3")
        await until(pilot, lambda: "▸ 2. plan" in text_of(app))
        assert "profile datacenter" in text_of(app)
        assert "written in" in text_of(app)
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, Repair) and app.screen.stage is Stage.PLANNED)
        assert "Make these 6 changes?" in text_of(app)
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, Repair) and app.screen.stage is Stage.OVER)
        assert "✓ done, 6 changes" in text_of(app)
        await pilot.press("escape")
        await until(pilot, lambda: "✓ 2. plan" in text_of(app))

    drive(size, story)


@pytest.mark.parametrize("size", SIZES)
def test_two_reports_are_compared(size: tuple[int, int]) -> None:
    async def story(app: FirstlightApp, pilot: Pilot[Any]) -> None:
        desk = app.desk
        assert isinstance(desk, DemoDesk)
        desk.apply(("sysctl",))
        await pilot.press("r")
        await until(pilot, lambda: app.state.entries is not None and len(app.state.entries) == 2)
        await pilot.press("4", "space", "down", "enter")
        await until(pilot, lambda: "6 differences" in text_of(app))
        assert "absent → ✓ pass kernel.sysctl" in text_of(app)
        assert app.screen.query_one(DataTable).row_count == 2

    drive(size, story)


class Ran(DemoDesk):
    """The demo machine with an apply in its history."""

    def entries(self, limit: int = 200) -> list[Entry]:
        """Return the apply."""
        return [Entry(7, "apply", "rack7-gpu2", "datacenter", "", 1e9, 1e9 + 5, 0, "refused, 1 changes", False)]

    def run(self, number: int) -> Run:
        """Return it."""
        change, refusal = Change("sysctl", "Set", "vm.swappiness", "60", "10"), Refusal("disk", "Format", "not blank")
        return Run(str(number), "apply", "lab", ("sysctl",), Outcome.REFUSED, 1e9, 1e9 + 5, (change,), (refusal,))


def test_an_apply_in_the_history_says_what_it_changed_and_would_not() -> None:
    async def story(app: FirstlightApp, pilot: Pilot[Any]) -> None:
        await pilot.press("4", "space", "enter")
        await until(pilot, lambda: "vm.swappiness: - 60  + 10" in text_of(app))
        assert "! refused disk: Format: not blank" in text_of(app)

    drive((80, 24), story, desk=Ran)


@pytest.mark.parametrize("size", SIZES)
def test_the_gpu_screen_says_why_clocks_are_held_and_what_the_hardware_has_not(size: tuple[int, int]) -> None:
    async def story(app: FirstlightApp, pilot: Pilot[Any]) -> None:
        await pilot.press("5")
        await until(pilot, lambda: "PCIe" in text_of(app))
        text = text_of(app)
        assert "!84/87 °C" in text
        assert "fan n/a" in text
        assert "generation 5 of 5" in text

    drive(size, story)


@pytest.mark.parametrize("size", SIZES)
def test_drift_is_listed_explained_and_repaired(size: tuple[int, int]) -> None:
    async def story(app: FirstlightApp, pilot: Pilot[Any]) -> None:
        await pilot.press("6")
        await until(pilot, lambda: app.state.drift is not None and "no baseline yet" in text_of(app))
        assert app.state.drift is not None
        at = next(number for number, drift in enumerate(app.state.drift.drifts) if drift.role == "sysctl")
        app.screen.query_one(DataTable).move_cursor(row=at)
        await until(pilot, lambda: "role sysctl puts it right" in text_of(app))
        await pilot.press("A")
        assert not app.screen.query_one("#reason").display, "a recording cannot be accepted"
        await pilot.press("f")
        await until(pilot, lambda: isinstance(app.screen, Repair) and app.screen.stage is Stage.PLANNED)
        assert "Make these 3 changes?" in text_of(app)

    drive(size, story)


def test_without_rights_nothing_is_accepted_and_it_says_why() -> None:
    async def story(app: FirstlightApp, pilot: Pilot[Any]) -> None:
        await pilot.press("6")
        await until(pilot, lambda: app.state.drift is not None and "no baseline yet; this needs root" in text_of(app))
        app.desk.capture = None  # as on the machine itself
        await pilot.press("A")
        assert not app.screen.query_one("#reason").display
        assert any("cannot accept: this needs root" in each.message for each in app._notifications)

    drive((140, 40), story, desk=Powerless)


@pytest.mark.parametrize("size", SIZES)
def test_every_screen_copies_its_text(size: tuple[int, int]) -> None:
    async def story(app: FirstlightApp, pilot: Pilot[Any]) -> None:
        for number, words in ((1, "GPU0"), (2, "container"), (3, "written in"), (5, "PCIe"), (7, "nvidia-smi")):
            await pilot.press(str(number))
            await until(pilot, lambda words=words: words in text_of(app))
            await pilot.press("c")
            await until(pilot, lambda words=words: words in app.clipboard)

    drive(size, story)


def test_the_next_timers_stand_on_the_overview_and_none_are_named_as_none() -> None:
    async def story(app: FirstlightApp, pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: "check-quick" in str(app.screen.query_one("#runs", Static).content))
        look = app.state.look
        assert look is not None
        app.post_message(Changed("look", replace(look, timers=())))
        await until(pilot, lambda: "firstlight systemd install" in str(app.screen.query_one("#runs", Static).content))

    drive((80, 24), story)


def test_a_reboot_that_waits_and_a_first_boot_under_way_are_told() -> None:
    async def story(app: FirstlightApp, pilot: Pilot[Any]) -> None:
        look = app.state.look
        assert look is not None
        app.post_message(Changed("look", replace(look, reboot_wanted=True, first_boot="reboot")))
        await pilot.press("3")
        await until(pilot, lambda: "a reboot is required" in text_of(app) and "next: reboot" in text_of(app))

    drive((140, 40), story)


class Proven(DemoDesk):
    """The demo machine with two passes of a smoke job."""

    def proofs(self, hostname: str) -> list[Proof]:
        """Return a slower second pass."""
        passes = tuple(
            JobLine(hostname, "bandwidth", "GPU-1", "bf16", when, 1.0, "pass", {"matmul_tflops": speed}, {})
            for when, speed in ((1.0, 800.0), (2.0, 600.0)))
        return [Proof("bandwidth", "GPU-1", passes, {"matmul_tflops": 800.0})]


@pytest.mark.parametrize("size", SIZES)
def test_smoke_figures_stand_beside_those_of_the_first_day(size: tuple[int, int]) -> None:
    async def story(app: FirstlightApp, pilot: Pilot[Any]) -> None:
        await pilot.press("7")
        await until(pilot, lambda: app.state.proofs is not None and "✓ pass" in text_of(app))
        assert app.state.look is not None
        at = next(number for number, job in enumerate(app.state.look.jobs) if job.id == "bandwidth")
        app.screen.query_one(DataTable).move_cursor(row=at)
        await until(pilot, lambda: "75% of first day's 800" in text_of(app))
        app.post_message(Changed("look", replace(app.state.look, limits=(("GPU-1", "matmul_tflops", 630.0, 1000.0),))))
        await until(pilot, lambda: "✗ too slow: 630 to 1000" in str(app.screen.query_one("#job", Static).content))
        await pilot.press("enter")
        assert app.state.work is None, "a recording runs no job"

    drive(size, story, desk=Proven)


class Replaced(DemoDesk):
    """The demo machine whose job failed on a card that is no longer there."""

    def proofs(self, hostname: str) -> list[Proof]:
        """Return an old failure and a new pass."""
        old = JobLine(hostname, "bandwidth", "GPU-old", "bf16", 1.0, 1.0, "fail", {}, {})
        new = JobLine(hostname, "bandwidth", "GPU-new", "bf16", 2.0, 1.0, "pass", {}, {})
        return [Proof("bandwidth", "GPU-old", (old,), {}, current=False), Proof("bandwidth", "GPU-new", (new,), {})]


def test_a_job_is_as_good_as_its_newest_run() -> None:
    async def story(app: FirstlightApp, pilot: Pilot[Any]) -> None:
        await pilot.press("7")
        await until(pilot, lambda: app.state.proofs is not None and "✓ pass" in text_of(app))
        assert app.state.look is not None
        at = next(number for number, job in enumerate(app.state.look.jobs) if job.id == "bandwidth")
        table = app.screen.query_one(DataTable)
        assert "pass" in table.get_row_at(at)[1]
        table.move_cursor(row=at)
        await until(pilot, lambda: "not in the newest run" in str(app.screen.query_one("#job", Static).content))

    drive(SIZES[0], story, desk=Replaced)


@pytest.mark.parametrize("size", SIZES)
def test_drifts_fit_the_screen_and_what_was_not_compared_says_why(size: tuple[int, int]) -> None:
    async def story(app: FirstlightApp, pilot: Pilot[Any]) -> None:
        await pilot.press("6")
        await until(pilot, lambda: app.state.drift is not None and app.screen.query_one(DataTable).row_count)
        seen, table = app.state.drift, app.screen.query_one(DataTable)
        assert seen is not None
        assert seen.unseen
        await until(pilot, lambda: table.row_count == len(seen.drifts) + len(seen.unseen))
        assert table.virtual_size.width <= size[0]
        table.move_cursor(row=table.row_count - 1)
        reason = f"not compared: {seen.unseen[-1][1]}"
        await until(pilot, lambda: reason in str(app.screen.query_one("#drift-detail", Static).content))
        await pilot.press("f")
        assert not isinstance(app.screen, Repair), "nothing to repair in what could not be compared"

    drive(size, story)


def test_a_theme_that_is_not_there_is_said_and_another_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRSTLIGHT_THEME", "no-such")

    async def story(app: FirstlightApp, pilot: Pilot[Any]) -> None:
        assert app.theme == "textual-dark"
        assert any("no theme no-such" in each.message for each in app._notifications)

    drive((80, 24), story)


@pytest.mark.parametrize("size", SIZES)
def test_help_explains_each_screen_and_its_keys(size: tuple[int, int]) -> None:
    async def story(app: FirstlightApp, pilot: Pilot[Any]) -> None:
        for number in range(1, 9):
            await pilot.press(str(number), "question_mark")
            await until(pilot, lambda: isinstance(app.screen, Help) and "Quit" in text_of(app))
            await pilot.press("escape")
            await until(pilot, lambda: not isinstance(app.screen, Help))

    drive(size, story)
