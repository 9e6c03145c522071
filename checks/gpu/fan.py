"""A hot GPU with a fan has it turning."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.check import Check, Outcome, failed, passed, unknown
from agent.model.finding import Remedy
from checks.gpu import each_gpu, observe, shown, unanswered

if TYPE_CHECKING:
    from agent.machine.gpu import Cards
    from agent.model.gpu import Gpu
    from agent.model.resolved import ResolvedProfile


HOT_C = 70  # GeForce fans stand still below about 60 °C by design


def judge(seen: Cards, profile: ResolvedProfile) -> list[Outcome]:
    """Fail when a fan stands still on a hot card; 0 % on a cool one is by design."""
    return each_gpu(seen, lambda gpu: [_judge(gpu)])


def _judge(gpu: Gpu) -> Outcome:
    percent, rpm = gpu.number("fan_percent"), gpu.number("fan_rpm")
    if not isinstance(percent, int):
        return unanswered(gpu, percent, "fan", "it has none of its own, the machine cools it")
    evidence = shown(gpu, "fan_percent", "fan_rpm", "temperature_c")
    temperature = gpu.number("temperature_c")
    told = f"{percent} %" + (f", {rpm} rpm" if isinstance(rpm, int) else "")
    if percent or (isinstance(rpm, int) and rpm):
        return passed(f"{gpu.label}: fan at {told}.", subject=gpu.subject, seen=told, evidence=evidence)
    if not isinstance(temperature, int):
        return unknown(f"{gpu.label}: its fan stands still, and its temperature is not told.", subject=gpu.subject,
                       evidence=evidence)
    if temperature >= HOT_C:
        return failed(f"{gpu.label}: its fan stands still at {temperature} °C.", subject=gpu.subject, seen=told,
                      expected="turning", evidence=evidence)
    return passed(f"{gpu.label}: fan stopped at {temperature} °C, as cool cards do.", subject=gpu.subject, seen=told,
                  evidence=evidence)


CHECK = Check(
    title="GPU fan",
    why="A card whose fan died throttles within a minute of load and switches off after some more.",
    observe=observe,
    judge=judge,
    remedy=Remedy(steps=("Stop the jobs on this GPU.", "Look whether a cable or dust blocks the fan.",
                         "Give fan control back to the card: nvidia-settings -a GPUFanControlState=0",
                         "If it stays still: return the card.")),
)
