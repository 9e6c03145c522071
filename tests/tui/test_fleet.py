"""The screen of many machines: the odd ones out first, those that do not answer, nothing without a fleet."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from textual.widgets import DataTable, Input

from agent.desk import fleet as desk_fleet
from agent.desk.desk import Desk
from agent.fleet import runner
from agent.fleet.answers import Answer, Reach
from agent.fleet.cohorts import Cohort, Odd
from agent.fleet.look import FleetLook, look_at_reports
from agent.model.drift import Difference
from agent.model.errors import FirstlightError
from agent.model.verdict import Verdict
from tests.tui.driving import text_of, until
from tests.tui.test_screens import SIZES, Story
from tests.unit.fleet.samples import report, write
from tui.app import FirstlightApp
from tui.demo import FOLDER, DemoDesk
from tui.widgets.odd import fleet_lines, render_head, render_line

pytestmark = pytest.mark.timeout(900)
USUAL = {"package": {"driver": "580"}, "kernel": {"release": "6.8"}}
LOOK = FleetLook(
    (("n1", "ok", "0 drifts"), ("n2", "drifted", "1 drift"), ("n3", "unreachable", "No route to host")),
    (Cohort("lab", "debian 12", 4, (Odd(("n9",), (Difference("package", "driver", "580", "570"),)),)),
     Cohort("lab", "debian 13", 1, ())),
    {"n2": [{"against": "profile", "area": "check", "key": "kernel.sysctl", "before": "10", "after": "60",
             "changed": None, "earliest": 0, "cause": ""}]})


def drive(size: tuple[int, int], story: Story, source: str) -> None:
    """Run the application with a fleet and nothing else."""

    async def run() -> None:
        desk = DemoDesk("server")
        desk.fleet_source = source
        app = FirstlightApp(desk)
        app.jobs.begin = lambda: None  # type: ignore[method-assign]
        async with app.run_test(size=size) as pilot:
            await pilot.press("8")
            await story(app, pilot)

    asyncio.run(run())


def test_what_is_wrong_stands_first_and_machines_that_are_well_last() -> None:
    lines = fleet_lines(LOOK)
    assert [line.state for line in lines] == ["odd", "drifted", "unreachable", "not alike", "single", "ok"]
    assert [line.verdict for line in lines[:3]] == [Verdict.FAIL, Verdict.WARN, Verdict.UNKNOWN]
    assert "1 odd, 1 drifted, 1 unreachable" in render_head(LOOK, "x").plain


def test_a_fleet_without_fault_says_so_and_one_that_is_silent_never_does() -> None:
    well = FleetLook((("n1", "ok", ""),), ())
    assert "✓ 1 machines" in render_head(well, "x").plain
    silent = FleetLook((("n1", "late", "no answer within 120 s"),), ())
    assert "✓" not in render_head(silent, "x").plain
    assert fleet_lines(silent)[0].verdict is Verdict.UNKNOWN


def test_a_line_tells_the_usual_value_this_one_and_where_it_came_from() -> None:
    odd, drifted = fleet_lines(LOOK)[:2]
    assert "- usual 580" in render_line(odd, LOOK).plain
    assert "+ here  570" in render_line(odd, LOOK).plain
    assert "kernel.sysctl against the profile" in render_line(drifted, LOOK).plain


@pytest.mark.parametrize("size", SIZES)
def test_the_demo_fleet_is_shown_explained_and_narrowed(size: tuple[int, int]) -> None:
    async def story(app: FirstlightApp, pilot: object) -> None:
        await until(pilot, lambda: app.state.fleet)  # type: ignore[arg-type]
        text = text_of(app)
        assert text.index("rack7-gpu11") < text.index("rack7-gpu3, rack7-gpu8") < text.index("not alike")
        assert "- usual quiet iommu=pt" in text
        table = app.screen.query_one(DataTable)
        app.screen.query_one("#search", Input).value = "gpu5"
        await until(pilot, lambda: table.row_count == 1)  # type: ignore[arg-type]
        assert "rack7-gpu5" in text_of(app)
        app.screen.query_one("#search", Input).value = "no such thing"
        await until(pilot, lambda: table.row_count == 0 and "nothing fits" in text_of(app))  # type: ignore[arg-type]

    drive(size, story, str(FOLDER / "fleet"))


@pytest.mark.parametrize("size", SIZES)
def test_without_a_fleet_it_says_how_to_name_one_and_takes_a_name(size: tuple[int, int], tmp_path: Path) -> None:
    write(tmp_path, {name: report(name, USUAL) for name in ("n1", "n2", "n3")})

    async def story(app: FirstlightApp, pilot: object) -> None:
        await until(pilot, lambda: "No fleet is named yet" in text_of(app))  # type: ignore[arg-type]
        assert "--fleet DIR|INVENTORY" in text_of(app)
        assert not isinstance(app.focused, Input), "an input that is not shown has no keys"
        app.screen.action_ask()  # type: ignore[attr-defined]
        box = app.screen.query_one("#source", Input)
        assert box.display
        box.value = str(tmp_path)
        await box.action_submit()
        await until(pilot, lambda: app.state.fleet)  # type: ignore[arg-type]
        assert "all alike and as they should be" in text_of(app)

    drive(size, story, "")


def test_a_fleet_that_is_none_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(FirstlightError, match="no such inventory"):
        Desk().fleet(str(tmp_path / "none"), lambda said: None, lambda: False)


def test_a_folder_of_reports_crosses_the_pipe_whole(tmp_path: Path) -> None:
    write(tmp_path, {name: report(name, USUAL) for name in ("n1", "n2", "n3")})
    write(tmp_path, {"odd": report("odd", USUAL | {"kernel": {"release": "6.1"}})})
    (tmp_path / "broken.json").write_text("{")
    seen = Desk().fleet(str(tmp_path), lambda said: None, lambda: False)
    assert seen == look_at_reports(str(tmp_path), ())
    assert seen.names("unreadable") == ["broken"]
    assert seen.cohorts[0].odd[0].machines == ("odd",)


def test_an_inventory_is_asked_and_each_answer_told(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [Answer("n1", Reach.UNREACHABLE, problem="No route to host"),
               Answer("n2", Reach.ANSWERED, 0, {"data": report("n2", USUAL)}),
               Answer("n3", Reach.ANSWERED, 0, {"data": {}})]

    def ask(fleet: runner.Fleet, words: object, *, on_answer: object) -> dict[str, Answer]:
        assert fleet.hosts == ("n1", "n2", "n3")
        for answer in answers:
            on_answer(answer)  # type: ignore[operator]
        return {answer.host: answer for answer in answers}

    monkeypatch.setattr(runner, "ask", ask)
    heard: list[tuple[str, int, int]] = []
    seen = desk_fleet.look_at("n1,n2,n3,", lambda *told: heard.append(told))
    assert heard[0] == ("n1 No route to host", 1, 3)
    assert {name: state for name, state, _ in seen.machines} == {"n1": "unreachable", "n2": "ok", "n3": "failed"}
