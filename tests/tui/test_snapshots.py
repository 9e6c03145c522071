"""Whole screens at two sizes as golden text: what stands where. Only the machine's recording speaks, time stands still.

New ones: FIRSTLIGHT_GOLDEN=write. FIRSTLIGHT_SNAPSHOT_RUNS=20 walks through them so often; what the machine's processes
answered is asked once.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from agent.desk.values import Drifted, Look, Sample
from agent.model.finding import Report
from tests.tui.driving import Remembering, leave, settled, text_of, until
from tests.unit.golden import assert_golden
from tui.app import FirstlightApp
from tui.screens.help import Help
from tui.screens.repair import Repair, Stage

if TYPE_CHECKING:
    from textual.pilot import Pilot

GOLDEN = Path(__file__).parent / "golden"
SIZES = ((80, 24), (140, 40))
CHECKS = ("container.daemon-json", "cuda.toolkit", "driver.branch", "gpu.clocks", "gpu.ecc", "kernel.sysctl",
          "kernel.sysctl-boot", "storage.disk-space", "system.limits-login")
JOBS = ("nvidia-smi", "nvcc", "bandwidth")
RUNS = int(os.environ.get("FIRSTLIGHT_SNAPSHOT_RUNS", "1"))
NOON = 1_790_164_800.0  # 2026-09-23 12:00 UTC


class Still(Remembering):
    """The demo machine at one moment."""

    def samples(self, every_s: float, cancelled: Callable[[], bool]) -> Iterator[Sample]:
        """Yield the first look only."""
        yield next(super().samples(every_s, cancelled))

    def _keep(self, report: Report) -> None:
        runs = tuple(run for run in report.runs if run.check in CHECKS)
        super()._keep(replace(report, runs=runs, started=NOON, finished=NOON + 1))

    def check(self, *words: Any, **more: Any) -> Report:
        """Return the report with its time at noon."""
        found = super().check(*words, **more)
        runs = tuple(run for run in found.runs if run.check in CHECKS)
        return replace(found, runs=runs, started=NOON, finished=NOON + 1)

    def look(self, cancelled: Callable[[], bool] = lambda: False) -> Look:
        """Return the look without what each new check, job or setting would change."""
        found = super().look(cancelled)
        return replace(found, digest="digest", checks=tuple(info for info in found.checks if info.id in CHECKS),
                       jobs=tuple(info for info in found.jobs if info.id in JOBS),
                       values=tuple(value for value in found.values if value.key.startswith("kernel.sysctl")))

    def drift(self, cancelled: Callable[[], bool]) -> Drifted:
        """Return the drifts of the same checks, and one that could not be compared."""
        found = super().drift(cancelled)
        drifts = tuple(drift for drift in found.drifts if drift.key.split()[0] in CHECKS)
        unseen = tuple(each for each in found.unseen if each[0] == "container.docker-service")
        return replace(found, unseen=unseen, drifts=drifts)


@pytest.fixture(autouse=True)
def in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("FIRSTLIGHT_THEME", "textual-dark")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.timeout(600 * RUNS)
@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_every_screen_is_as_its_golden_file_says(size: tuple[int, int]) -> None:
    shown: dict[str, str] = {}

    async def run() -> None:
        app = FirstlightApp(Still("server", pace_s=0.01))
        async with app.run_test(size=size) as pilot:
            await settled(pilot)
            await until(pilot, lambda: app.state.work is None)
            await walk(app, pilot, shown)
            await leave(pilot)

    for _ in range(RUNS):
        asyncio.run(run())
        for name, text in shown.items():
            assert_golden(text + "\n", GOLDEN / f"{name}-{size[0]}x{size[1]}.txt")


async def walk(app: FirstlightApp, pilot: Pilot[Any], shown: dict[str, str]) -> None:
    """Visit every screen and note what it shows."""

    async def note(name: str, words: str) -> None:
        await until(pilot, lambda: words in text_of(app) and app.state.work is None)
        await pilot.wait_for_scheduled_animations()
        before = ""
        while (now := text_of(app)) != before:
            before = now
            await pilot.pause(0.3)
        shown[name] = now

    await note("overview", "rack7-gpu2")
    await pilot.press("2")
    await note("checks", "container")
    await pilot.press("3")
    await note("provision", "▸ 2. plan")
    await pilot.press("4", "enter")
    await note("history", "profile datacenter:")
    await pilot.press("5")
    await note("gpu", "PCIe")
    await pilot.press("6")
    await until(pilot, lambda: app.state.drift)
    await note("drift", "container.daemon-json log-driver")
    await pilot.press("7")
    await until(pilot, lambda: app.state.proofs is not None)
    await pilot.press("j", "j")
    await note("smoke", "too slow")
    await pilot.press("8")
    await until(pilot, lambda: app.state.fleet)
    await note("fleet", "rack7-gpu3, rack7-gpu8")
    await pilot.press("question_mark")
    await until(pilot, lambda: isinstance(app.screen, Help))
    await note("help", "Quit")
    await pilot.press("escape")
    await until(pilot, lambda: not isinstance(app.screen, Help))
    await pilot.press("3", "n")
    await until(pilot, lambda: isinstance(app.screen, Repair) and app.screen.stage is Stage.PLANNED)
    await note("plan", "Make these 6 changes?")
