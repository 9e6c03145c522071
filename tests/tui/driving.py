"""What tests of screens share: waiting for the application, and what a screen shows as text."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tui.app import FirstlightApp
from tui.demo import DemoDesk

if TYPE_CHECKING:
    from textual.pilot import Pilot

_ANSWERS: dict[str, dict[str, Any]] = {}


class Remembering(DemoDesk):
    """The demo machine; what its processes answered is asked once in a test run."""

    def _asked(self, do: str, *words: Any, **more: Any) -> dict[str, Any]:
        key = f"{do} {self.capture} {sorted(more.items())}"
        if key not in _ANSWERS:
            _ANSWERS[key] = super()._asked(do, *words, **more)
        return _ANSWERS[key]


async def until(pilot: Pilot[Any], true: Callable[[], object], *, seconds: float = 240) -> None:
    """Let the application work until something is true; an error after `seconds`."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not true within {seconds} s: {pilot.app.screen}"
        await pilot.pause(0.02)
    await pilot.pause()


async def settled(pilot: Pilot[Any]) -> None:
    """Wait for the first look, report and sample."""
    app = pilot.app
    assert isinstance(app, FirstlightApp)
    state = app.state
    await until(pilot, lambda: state.look and state.report and state.sample and state.entries is not None)


async def leave(pilot: Pilot[Any]) -> None:
    """End what goes on in the background, so that nothing is drawn on screens that are being taken down."""
    pilot.app.workers.cancel_all()
    await pilot.pause(0.5)


def text_of(app: FirstlightApp) -> str:
    """Return what the screen shows now, line by line."""
    width, height = app.size
    strips = app.screen._compositor.render_strips()
    return "\n".join(strip.text[:width].rstrip() for strip in strips[:height])
