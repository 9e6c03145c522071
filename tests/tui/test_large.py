"""Every screen at 200x60, the largest terminal it is made for: its parts stand in it, and nothing overflows."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.tui.driving import Remembering, leave, settled, text_of, until
from tui.app import FirstlightApp
from tui.widgets.bars import PLACES

if TYPE_CHECKING:
    from textual.screen import Screen

pytestmark = pytest.mark.timeout(900)
SIZE = (200, 60)
PARTS = {
    "overview": ("#wrong", "#gpus", "#memory", "#areas", "#card", "#runs"), "checks": ("#tree", "#detail-box"),
    "provision": ("#way", "#values", "#value"), "history": ("#entries", "#past-box"), "gpu": ("#gpu-box",),
    "drift": ("#drift-head", "#drifts", "#drift-box"), "smoke": ("#jobs", "#job-box"),
    "fleet": ("#fleet-head", "#fleet", "#fleet-box"),
}


def faults(screen: Screen[None], place: str) -> list[str]:
    """Return what is not seen whole of the parts of a screen, or overflows to the side."""
    found = []
    for part in PARTS[place]:
        widget = screen.query_one(part)
        if not (widget.display and widget.region.area and screen.region.contains_region(widget.region)):
            found.append(f"{place} {part}: not seen whole: {widget.region}")
        if widget.show_horizontal_scrollbar:
            found.append(f"{place} {part}: {widget.max_scroll_x} columns too wide")
    return found


def test_every_screen_fills_the_largest_terminal_and_nothing_overflows() -> None:
    found: list[str] = []

    async def run() -> None:
        app = FirstlightApp(Remembering("server", pace_s=0.01))
        async with app.run_test(size=SIZE) as pilot:
            await settled(pilot)
            for number, (place, title) in enumerate(PLACES, 1):
                await pilot.press(str(number))
                await until(pilot, lambda tab=f"[{number} {title}]": tab in text_of(app) and "q Quit" in text_of(app))
                await until(pilot, lambda place=place: place not in ("drift", "fleet") or getattr(app.state, place))
                await pilot.wait_for_scheduled_animations()
                await pilot.pause(0.2)
                found.extend(faults(app.screen, place))
                drawn = text_of(app).splitlines()
                assert "q Quit" in drawn[SIZE[1] - 1], "the keys stand in the last line"
            await leave(pilot)

    asyncio.run(run())
    assert not found
