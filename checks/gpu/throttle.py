"""Why clocks are held down: benign reasons are named, hardware ones are faults."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.check import Check, Outcome, failed, passed, warned
from agent.model.finding import Remedy
from checks.gpu import each_gpu, observe, shown, unanswered

if TYPE_CHECKING:
    from agent.machine.gpu import Cards
    from agent.model.gpu import Gpu
    from agent.model.resolved import ResolvedProfile


# nvml.h, nvmlClocksEventReasons: bit, name
BENIGN = ((0x1, "idle"), (0x2, "clocks locked by a setting"), (0x4, "at its power limit"), (0x10, "sync boost"),
          (0x100, "clocks of the display"))
SW_THERMAL, HW_SLOWDOWN, HW_THERMAL, POWER_BRAKE = 0x20, 0x8, 0x40, 0x80
FAULTS = ((HW_THERMAL, "the hardware cuts its clocks because it is too hot", "hardware thermal slowdown"),
          (POWER_BRAKE, "the power supply signals overload (power brake)", "hardware power brake"))
COUNTERS = (("hw_thermal_us", "too hot (hardware)"), ("sw_thermal_us", "too hot (driver)"),
            ("power_brake_us", "power brake"))


def judge(seen: Cards, profile: ResolvedProfile) -> list[Outcome]:
    """Judge the bits that stood in every sample: one moment proves nothing."""
    return each_gpu(seen, lambda gpu: [_judge(gpu)])


def _judge(gpu: Gpu) -> Outcome:
    first = gpu.number("event_reasons")
    if not isinstance(first, int):
        return unanswered(gpu, first, "clock event reasons")
    lasting = first
    for sample in gpu.samples("event_reasons"):
        lasting &= sample
    evidence = shown(gpu, "event_reasons", "samples", *(name for name, _ in COUNTERS))
    subject, told = gpu.subject, f"{lasting:#x}"
    for bit, text, _ in FAULTS:
        if lasting & bit:
            return failed(f"{gpu.label}: {text}.", subject=subject, seen=told, expected="no hardware slowdown",
                          evidence=evidence, remedy=POWER if bit == POWER_BRAKE else None)
    if lasting & SW_THERMAL:
        return warned(f"{gpu.label}: the driver lowers its clocks because it is at its highest temperature.",
                      subject=subject, seen=told, expected="no thermal slowdown", evidence=evidence)
    if lasting & HW_SLOWDOWN:
        return warned(f"{gpu.label}: the hardware slows it down and gives no reason.", subject=subject, seen=told,
                      expected="no hardware slowdown", evidence=evidence, remedy=POWER)
    names = [name for bit, name in BENIGN if lasting & bit]
    if first & ~lasting & (SW_THERMAL | HW_SLOWDOWN | HW_THERMAL | POWER_BRAKE):
        names.append("a slowdown for a moment, gone at the next look")
    text = f"nothing bad holds it down ({', '.join(names)})" if names else "nothing holds its clocks down"
    return passed(f"{gpu.label}: {text}{_history(gpu)}.", subject=subject, seen=told, evidence=evidence)


def _history(gpu: Gpu) -> str:
    """Return how long it was throttled since the driver came up, where that is a second or more."""
    times = [(text, time_us) for name, text in COUNTERS if isinstance(time_us := gpu.number(name), int)]
    notes = [f"{time_us / 1e6:.0f} s {text}" for text, time_us in times if time_us >= 1_000_000]
    return f"; since the driver was loaded: {', '.join(notes)}" if notes else ""


POWER = Remedy(steps=("Check the power cables of the card, and whether all of them go to the power supply.",
                      "Compare what the machine draws with what its power supply gives.",
                      "On a server look into the BMC's log for power events."))
CHECK = Check(
    title="Throttling",
    why="A throttled GPU works at a fraction of its speed and nothing else tells.",
    observe=observe,
    judge=judge,
    remedy=Remedy(steps=("See gpu.temperature and gpu.fan.", "Look for blocked air and dust; measure the air that "
                         "goes in.", "Until then lower the clocks as root: nvidia-smi -lgc 0,2000")),
)
