"""Makes the pictures of docs/pictures from the demo: `python -m tests.tui.pictures [FOLDER]`. SVG; nothing is asked."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.tui.driving import leave, settled, until
from tui.app import FirstlightApp
from tui.demo import DemoDesk
from tui.screens.repair import Repair, Stage
from tui.widgets.bars import PLACES

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "pictures"
SLOW_JOB = 4  # lines below the first
SIZES = {"": (120, 36), "-80x24": (80, 24)}


async def take(folder: Path, demo: str, size: tuple[int, int], ending: str) -> None:
    """Write one picture of every screen."""
    app = FirstlightApp(DemoDesk(demo, pace_s=0.2))
    async with app.run_test(size=size) as pilot:
        await settled(pilot)
        await until(pilot, lambda: len(app.state.busy and next(iter(app.state.busy.values()))) >= 6, seconds=60)
        for number, name in enumerate((place for place, _ in PLACES), 1):
            await pilot.press(str(number))
            await until(pilot, lambda name=name: name not in ("drift", "fleet") or getattr(app.state, name))
            await pilot.pause(0.3)
            if name == "history":
                await pilot.press("enter")
                await pilot.pause(0.3)
            if name == "smoke":
                await pilot.press(*["j"] * SLOW_JOB)
                await pilot.pause(0.3)
            _save(app, folder / f"{name}{ending}.svg")
        await pilot.press("3", "p")
        await until(pilot, lambda: isinstance(app.screen, Repair) and app.screen.stage is Stage.PLANNED)
        await pilot.pause(0.3)
        _save(app, folder / f"plan{ending}.svg")
        await leave(pilot)


async def take_unified(folder: Path) -> None:
    """Write the overview of a machine whose CPU and GPU share their memory."""
    app = FirstlightApp(DemoDesk("spark"))
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        await until(pilot, lambda: len(app.state.busy and next(iter(app.state.busy.values()))) >= 6)
        _save(app, folder / "overview-unified.svg")
        await leave(pilot)


def _save(app: FirstlightApp, file: Path) -> None:
    file.write_text(app.export_screenshot(title="firstlight tui --demo"), encoding="utf-8")


def main(folder: Path) -> None:
    """Write the pictures of the server, and the overview of the machine with unified memory."""
    folder.mkdir(parents=True, exist_ok=True)
    for ending, size in SIZES.items():
        asyncio.run(take(folder, "server", size, ending))
    asyncio.run(take_unified(folder))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
