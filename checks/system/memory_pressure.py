"""Memory that is left, and time lost waiting for it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from agent.check import Check, Outcome, failed, passed, warned
from agent.model.errors import Missing, Unobservable
from agent.model.finding import Evidence, Remedy
from agent.model.units import format_size

if TYPE_CHECKING:
    from agent.machine.api import Machine
    from agent.model.resolved import ResolvedProfile

PRESSURE = "/proc/pressure/memory"
WARN_AVAILABLE, FAIL_AVAILABLE = 0.05, 0.02  # share of all memory
WARN_STALL_PERCENT = 10.0  # of the last minute in which no task could go on


class Seen(NamedTuple):
    """Bytes of memory, and `full avg60` in percent (None where the kernel keeps no pressure figures)."""

    total_bytes: int
    available_bytes: int
    stall_percent: float | None


def observe(machine: Machine, profile: ResolvedProfile) -> Seen:
    """Read /proc/meminfo and the pressure figures."""
    meminfo = dict(re.findall(r"^(\w+):\s+(\d+) kB", machine.read("/proc/meminfo"), re.MULTILINE))
    if not {"MemTotal", "MemAvailable"} <= meminfo.keys():
        raise Unobservable("/proc/meminfo names no MemTotal or MemAvailable")
    try:
        found = re.search(r"^full .*avg60=([\d.]+)", machine.read(PRESSURE), re.MULTILINE)
    except Missing:
        found = None
    except Unobservable:  # EOPNOTSUPP: compiled in, switched off (psi=0)
        found = None
    return Seen(int(meminfo["MemTotal"]) << 10, int(meminfo["MemAvailable"]) << 10,
                float(found[1]) if found else None)


def judge(seen: Seen, profile: ResolvedProfile) -> list[Outcome]:
    """Warn below 5 % available or above 10 % stalled; fail below 2 %."""
    share = seen.available_bytes / seen.total_bytes
    text = f"{format_size(seen.available_bytes)} of {format_size(seen.total_bytes)} available"
    evidence = [Evidence("/proc/meminfo", (text,))]
    if seen.stall_percent is not None:
        evidence.append(Evidence(PRESSURE, (f"full avg60={seen.stall_percent}",)))
    if share < FAIL_AVAILABLE:
        return [failed(f"Memory is nearly gone: {text}.", seen=text, evidence=evidence)]
    if share < WARN_AVAILABLE:
        return [warned(f"Memory runs low: {text}.", seen=text, evidence=evidence)]
    if seen.stall_percent is not None and seen.stall_percent > WARN_STALL_PERCENT:
        return [
            warned(
                f"For {seen.stall_percent:.0f} % of the last minute every task waited for memory ({text}).",
                seen=f"{seen.stall_percent:.0f} %",
                expected=f"≤ {WARN_STALL_PERCENT:.0f} %",
                evidence=evidence,
            )
        ]
    return [passed(f"Memory is at ease: {text}.", seen=text, evidence=evidence)]


CHECK = Check(
    title="Memory pressure",
    why="On a unified-memory machine the GPU takes host memory; when it is gone the whole machine "
        "stands still.",
    observe=observe,
    judge=judge,
    remedy=Remedy(steps=("See who holds the memory: `ps aux --sort=-rss | head`.",
                         "Stop or shrink that job, or lower its GPU memory share.",
                         "Start jobs in the slice, so that its limits hold them.")),
)
