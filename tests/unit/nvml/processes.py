"""What is left of a run: the processes that were told of a profile file, by /proc."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.nvml.stand_in import StandIn

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Run:
    """An ended command: its exit code, what it said, how long it took, and whom it left behind."""

    code: int
    out: str
    err: str
    wall_s: float
    left: dict[int, str]


def states(marker: str) -> dict[int, str]:
    """Return the state letter (R, S, D, T, Z) by pid of the processes whose environment names `marker`."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if marker.encode() in (folder / "environ").read_bytes():
                found[int(folder.name)] = (folder / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
    return found


def zombies_of(parent: int) -> list[int]:
    """Return the dead children that a process has not reaped: a zombie has no environment to look at."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, kin = stat.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state == "Z" and int(kin) == parent:
            found.append(int(stat.parent.name))
    return found


def wait_until(holds: Callable[[], bool], limit_s: float = 5.0) -> bool:
    """Return whether `holds` came true in time."""
    end = time.monotonic() + limit_s
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def firstlight(stand_in: StandIn, *words: str, probe_s: float | None = None) -> Run:
    """Run the real command line on the stand-in, in its own session."""
    environment = {**os.environ, **stand_in.environment}
    if probe_s is not None:
        environment["FIRSTLIGHT_TEST_PROBE_S"] = str(probe_s)
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-m", "tests.nvml.command", *words], capture_output=True, text=True,
                          cwd=ROOT, env=environment, timeout=60, start_new_session=True, check=False)
    return Run(done.returncode, done.stdout, done.stderr, time.monotonic() - began, states(str(stand_in.profile)))
