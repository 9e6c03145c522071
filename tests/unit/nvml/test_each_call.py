"""Whichever NVML function never returns: the probe names it, in time, and leaves nobody behind."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent.machine import nvml_probe
from tests.nvml.stand_in import StandIn
from tests.unit.nvml.processes import ROOT, states, wait_until

HEALTHY_S = 30.0
# The first is enough on any machine that is not overrun; a probe that had not come to its call yet gets a longer one.
DEADLINES_S = (0.3, 2.0, 6.0)
AT_ONCE = 16
# One card of a desktop, one with slices, and a driver so old that an older function answers in place of a newer one.
HEALTHY = ("rtx4090", "a100-mig", "old-driver")


def probed(stand_in: StandIn, *asked: tuple[Path, float, Path | str]) -> list[tuple[float, float, dict[str, Any]]]:
    """Return (wall, what of it was waiting for a processor, answer) of probes that run at the same time; in seconds."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.unit.nvml.many_probes"], cwd=ROOT, capture_output=True, text=True, timeout=250,
        input=json.dumps([[str(profile), deadline_s, str(trace)] for profile, deadline_s, trace in asked]),
        env={**os.environ, **stand_in.environment}, check=True)
    return [(wall_s, waited_s, answer) for wall_s, waited_s, answer in json.loads(done.stdout)]


def called(stand_in: StandIn) -> dict[str, str]:
    """Return every function of the library that the probe calls on healthy machines → the first that it calls it on."""
    found: dict[str, str] = {}
    for name in HEALTHY:
        stand_in.use(name)
        trace = stand_in.trace.with_suffix(f".{name}")
        ((_, _, answer),) = probed(stand_in, (stand_in.profile, HEALTHY_S, trace))
        assert (answer["hung_in"], answer["died_in"]) == ("", "")
        for call in trace.read_text().split():
            found.setdefault(call, name)
    return found


def spoken(call: str) -> str:
    """Return the name of a function without its version, as both pynvml and the library write it."""
    return {"nvmlInitWithFlags": "nvmlInit"}.get(call, re.sub(r"_v\d$", "", call))


def stuck_in(stand_in: StandIn, name: str, calls: list[str], deadline_s: float) -> dict[str, str]:
    """Return where each probe says that it hung; asserts that it said so within its deadline and a second.

    What it waited for a processor is not counted: a busy machine is no fault of the probe. What it slept is.
    """
    told = {}
    for first in range(0, len(calls), AT_ONCE):
        batch = calls[first:first + AT_ONCE]
        stand_in.use(name)
        text, asked = stand_in.profile.read_text(), []
        for call in batch:
            profile = stand_in.profile.with_suffix(f".{call}")
            profile.write_text(f"{text}\nhang.{call} = -1\n")
            asked.append((profile, deadline_s, ""))
        for call, (wall_s, waited_s, answer) in zip(batch, probed(stand_in, *asked), strict=True):
            assert wall_s >= deadline_s, call
            assert wall_s - waited_s < deadline_s + 1, call
            assert answer["died_in"] == "", call
            told[call] = spoken(answer["hung_in"].partition(" of GPU")[0])
    return told


@pytest.mark.timeout(300)
def test_whichever_function_hangs_is_named_in_time_and_nobody_is_left(stand_in: StandIn) -> None:
    calls = called(stand_in)
    asked_for = set(re.findall(r"nvml\.(nvml[A-Z]\w+)", Path(nvml_probe.__file__).read_text())) - {"nvmlMemory_v2"}
    assert {spoken(call) for call in calls} >= {spoken(call) for call in asked_for}
    for name in HEALTHY:
        left = [call for call, first in calls.items() if first == name]
        for deadline_s in DEADLINES_S:
            told = stuck_in(stand_in, name, left, deadline_s)
            left = [call for call in left if told[call] != spoken(call)]
        assert left == []
    assert wait_until(lambda: states(str(stand_in.folder)) == {})
