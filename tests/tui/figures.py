"""The figures of the terminal interface: `python -m tests.tui.figures`. CPU seconds, children included where said."""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from agent.model.finding import CheckRun, Finding, Report
from agent.model.verdict import Verdict

BARE = """
from textual.app import App
from textual.widgets import Footer, Static
class Bare(App):
    def compose(self):
        yield Static("bare")
        yield Footer()
    def on_mount(self):
        self.call_after_refresh(self.exit)
import asyncio
async def main():
    async with Bare().run_test(size=(120, 36)) as pilot:
        await pilot.pause()
asyncio.run(main())
"""
OURS = """
import asyncio
from tui.app import FirstlightApp
from tui.demo import open_desk
async def main():
    app = FirstlightApp(open_desk(demo="server"))
    app.jobs.begin = lambda: None
    async with app.run_test(size=(120, 36)) as pilot:
        await pilot.pause()
        assert "Overview" in str(app.screen)
asyncio.run(main())
"""
IDLE = """
import asyncio, resource, sys, time
from agent.desk.desk import Desk
from tui.app import FirstlightApp
async def main():
    app = FirstlightApp(Desk())
    async with app.run_test(size=(140, 40)) as pilot:
        while not (app.state.report and app.state.sample):
            await pilot.pause(0.1)
        await pilot.pause(3)
        assert len(app.state.sample.cards) == 8, app.state.sample
        import os
        def used():
            own = resource.getrusage(resource.RUSAGE_SELF)
            total = own.ru_utime + own.ru_stime
            for pid in open(f"/proc/self/task/{os.getpid()}/children").read().split() + others():
                fields = open(f"/proc/{pid}/stat").read().rpartition(") ")[2].split()
                total += (int(fields[11]) + int(fields[12])) / 100
            return own.ru_utime + own.ru_stime, total
        def others():
            found = []
            for task in os.listdir("/proc/self/task"):
                if task != str(os.getpid()):
                    found += open(f"/proc/self/task/{task}/children").read().split()
            return found
        begin, at = used(), time.monotonic()
        await asyncio.sleep(SECONDS)
        end, passed = used(), time.monotonic() - at
        print(f"{(end[0] - begin[0]) / passed * 100:.2f} {(end[1] - begin[1]) / passed * 100:.2f}")
asyncio.run(main())
"""


def cpu_s(program: str, times: int = 5) -> float:
    """Return the least CPU seconds of a program out of some runs."""
    found = []
    for _ in range(times):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", program], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(found)


def idle_percent(seconds: float) -> str:
    """Return percent of a core at rest with 8 GPUs at 1 Hz: the application alone, and with its NVML process."""
    from tests.nvml.stand_in import StandIn

    with tempfile.TemporaryDirectory() as folder:
        stand_in = StandIn(Path(folder)).use("h100x8")
        done = subprocess.run([sys.executable, "-c", IDLE.replace("SECONDS", str(seconds))], check=True, text=True,
                              capture_output=True, env={**os.environ, **stand_in.environment})
    return done.stdout.strip()


def many(count: int) -> Report:
    """Return a report of `count` findings in 20 areas."""
    verdicts = list(Verdict)
    runs = tuple(
        CheckRun(f"area{number % 20:02d}.check-{number:05d}", "Title", 0.0,
                 (Finding(f"area{number % 20:02d}.check-{number:05d}", verdicts[number % 5], f"Summary {number}."),))
        for number in range(count))
    return Report("host", "test", "digest", "quick", 0.0, 1.0, runs)


async def scrolling(count: int) -> tuple[float, float]:
    """Return CPU milliseconds to show `count` findings, and per Page Down among them, opened wide."""
    from tui.app import FirstlightApp
    from tui.demo import DemoDesk
    from tui.state import Changed
    from tui.widgets.tree import CheckTree

    app = FirstlightApp(DemoDesk("server"))
    app.jobs.begin = lambda: None  # type: ignore[method-assign]
    async with app.run_test(size=(140, 40)) as pilot:
        await pilot.press("2")
        await pilot.pause(0.2)
        began = time.process_time()
        app.post_message(Changed("report", many(count)))
        await pilot.pause()
        tree = app.screen.query_one(CheckTree)
        tree.root.expand_all()
        await pilot.pause()
        shown = time.process_time() - began
        began = time.process_time()
        for _ in range(50):
            tree.action_page_down()
            await pilot.pause()
        return shown * 1000, (time.process_time() - began) / 50 * 1000


if __name__ == "__main__":
    bare, ours = cpu_s(BARE), cpu_s(OURS)
    print(f"first paint: {ours:.2f} s CPU, bare Textual {bare:.2f} s, over it {ours - bare:.2f} s")
    for count in (100, 10_000):
        shown, page = asyncio.run(scrolling(count))
        print(f"{count} findings: shown after {shown:.0f} ms CPU, a page further in {page:.1f} ms CPU")
    print(f"at rest, 8 GPUs at 1 Hz: percent of a core (alone, with the NVML process): {idle_percent(30)}")
