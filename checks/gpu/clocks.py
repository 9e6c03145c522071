"""A GPU that a job keeps busy runs at a clock worth the name. At rest it cannot be told: gpu.clocks-under-load."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.check import Check, Outcome, passed, warned
from agent.model.finding import Remedy
from checks.gpu import BUSY_PERCENT, COMPUTE_STATES, HELD_DOWN, LOW, each_gpu, observe, shown, unanswered

if TYPE_CHECKING:
    from agent.machine.gpu import Cards
    from agent.model.gpu import Gpu
    from agent.model.resolved import ResolvedProfile


def judge(seen: Cards, profile: ResolvedProfile) -> list[Outcome]:
    """Warn when every sample shows full load, a low clock and no reason."""
    return each_gpu(seen, lambda gpu: [_judge(gpu)])


def _judge(gpu: Gpu) -> Outcome:
    clock, highest = gpu.number("clock_sm_mhz"), gpu.number("clock_sm_max_mhz")
    if not isinstance(clock, int):
        return unanswered(gpu, clock, "SM clock")
    if not isinstance(highest, int):
        return unanswered(gpu, highest, "highest SM clock")
    evidence = shown(gpu, "clock_sm_mhz", "clock_sm_max_mhz", "utilization_percent", "event_reasons", "power_mw",
                     "samples")
    told, limit = f"{clock} of {highest} MHz", LOW * highest
    if _always_slow(gpu, limit):
        return warned(f"{gpu.label}: busy, but at {told} and for no reason it gives.", subject=gpu.subject, seen=told,
                      expected=f"at least {limit:.0f} MHz under load", evidence=evidence)
    load = gpu.numbers("utilization_percent")
    rest = ", at rest" if isinstance(load, tuple) and load[0] == 0 else ""
    return passed(f"{gpu.label}: SM clock {told}{rest}.", subject=gpu.subject, seen=told, evidence=evidence)


def _always_slow(gpu: Gpu, limit_mhz: float) -> bool:
    """Return whether every one of several samples shows full load below `limit_mhz` without a reason."""
    samples = gpu.reading("samples")
    if not isinstance(samples, list) or not samples:
        return False
    return all((sample.get("gpu_percent") or 0) >= BUSY_PERCENT and sample.get("pstate") in COMPUTE_STATES
               and (sample.get("clock_sm_mhz") or limit_mhz) < limit_mhz
               and not (sample.get("event_reasons") or 0) & HELD_DOWN for sample in samples)


CHECK = Check(
    title="Clock",
    why="GB10 machines can get stuck at a third of their clock, without any throttle reason, until their power is "
        "taken away.",
    observe=observe,
    judge=judge,
    remedy=Remedy(steps=("Make sure that the job computes: a deadlocked one spins at low power and looks the same.",
                         "Shut down, unplug the power (also at the wall) for a minute, start again.",
                         "If it comes back: update the firmware (fwupdmgr), then return the machine.")),
)
