"""What a click or a key acts on: the screen, row or finding that is shown."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from textual.widgets import DataTable, OptionList

from agent.report.words import wrong
from tests.tui.driving import text_of, until
from tests.tui.test_screens import SIZES, drive
from tui.app import FirstlightApp
from tui.screens.help import Help
from tui.state import Changed

if TYPE_CHECKING:
    from textual.pilot import Pilot

pytestmark = pytest.mark.timeout(900)  # a busy machine is slow, and no fault of a screen


@pytest.mark.parametrize("size", SIZES)
def test_the_mouse_chooses_screens_rows_and_keys(size: tuple[int, int]) -> None:
    async def story(app: FirstlightApp, pilot: Pilot[Any]) -> None:
        def at(words: str) -> int:
            return text_of(app).splitlines()[0].index(words) + 2

        for words, title in (("4 History", "[4 History]"), ("7 Smoke", "[7 Smoke]"), ("8 Fleet", "[8 Fleet]"),
                             ("1 Overview", "[1 Overview]"), ("7 Smoke", "[7 Smoke]")):
            await pilot.click("#topbar", offset=(at(words), 0))
            await until(pilot, lambda title=title: title in text_of(app))
        await pilot.click(offset=(0, 0))
        assert "[7 Smoke]" in text_of(app)
        await pilot.click("#jobs", offset=(4, 3))
        assert app.screen.query_one(DataTable).cursor_row == 2
        last = text_of(app).splitlines()[-1]
        await pilot.click(offset=(last.index("? Help"), size[1] - 1))
        await until(pilot, lambda: isinstance(app.screen, Help))

    drive(size, story)


def test_a_finding_that_is_told_twice_does_not_shift_what_f_repairs() -> None:
    async def story(app: FirstlightApp, pilot: Pilot[Any]) -> None:
        report = app.state.report
        assert report is not None
        first = wrong(report)[0]
        run = next(run for run in report.runs if run.check == first.check)
        twice = replace(report, runs=(replace(run, findings=(first, *run.findings)),
                                      *(other for other in report.runs if other is not run)))
        app.post_message(Changed("report", twice))
        box = app.screen.query_one(OptionList)
        wanted = list(dict.fromkeys((item.check, item.subject) for item in wrong(report)))
        asked: list[tuple[str, str]] = []
        app.repair = lambda finding: asked.append((finding.check, finding.subject))  # type: ignore[method-assign]
        await until(pilot, lambda: len(wrong(app.state.report or report)) > len(wanted))
        box.highlighted = 2
        await pilot.press("f")
        assert asked == [wanted[2]]

    drive((140, 40), story)
