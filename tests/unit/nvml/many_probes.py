"""Runs the real probe many times at once, each on a profile of its own: `python -m tests.unit.nvml.many_probes`.

Reads `[[profile, deadline in seconds, trace file], …]` from its standard input, prints `[[wall in seconds, seconds of
it spent waiting for a processor, answer], …]`. The interpreter and pynvml are loaded once; what is measured of a probe
is the probe itself, from its fork to its end.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from agent.machine import nvml_probe


def started(profile: str, deadline_s: float, trace: str) -> tuple[int, int]:
    """Return (pid, descriptor of its answer) of a probe that runs."""
    answer, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.environ.update(FIRSTLIGHT_NVML_PROFILE=profile, FIRSTLIGHT_NVML_TRACE=trace)
        os.dup2(write_end, 1)
        nvml_probe.main(deadline_s)
        os._exit(1)
    os.close(write_end)
    return pid, answer


def waited_s(pid: int) -> float:
    """Return how long a process, also a dead one, was ready to run and had no processor; 0.0 where Linux does not tell.

    Source: the second figure of /proc/PID/schedstat, in ns.
    """
    file = Path(f"/proc/{pid}/schedstat")
    return int(file.read_text().split()[1]) / 1e9 if file.exists() else 0.0


def main() -> None:
    """Start all of them, then wait for each."""
    ctypes.CDLL(os.environ["FIRSTLIGHT_NVML_LIBRARY"])
    import pynvml  # noqa: F401 - each probe finds it loaded

    began, running, own = {}, {}, os.getpid()
    for profile, deadline_s, trace in json.load(sys.stdin):
        moment = time.monotonic(), waited_s(own)
        pid, answer = started(profile, deadline_s, trace)
        began[pid], running[pid] = moment, answer
    walls: dict[int, tuple[float, float]] = {}
    while len(walls) < len(running):
        ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        assert ended is not None
        pid, (moment_s, before_s) = ended.si_pid, began[ended.si_pid]
        walls[pid] = time.monotonic() - moment_s, waited_s(pid) + waited_s(own) - before_s
        os.waitpid(pid, 0)
    told: list[Any] = []
    for pid, answer in running.items():
        with os.fdopen(answer) as text:
            told.append([*walls[pid], json.loads(text.read())])
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
