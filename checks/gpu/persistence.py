"""The driver stays loaded between jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.check import Check, Outcome, passed, warned
from agent.model.finding import Remedy
from checks.gpu import each_gpu, observe, shown, unanswered

if TYPE_CHECKING:
    from agent.machine.gpu import Cards
    from agent.model.gpu import Gpu
    from agent.model.resolved import ResolvedProfile



def judge(seen: Cards, profile: ResolvedProfile) -> list[Outcome]:
    """Warn when persistence mode is off."""
    return each_gpu(seen, lambda gpu: [_judge(gpu)])


def _judge(gpu: Gpu) -> Outcome:
    mode = gpu.number("persistence")
    if not isinstance(mode, int):
        return unanswered(gpu, mode, "persistence mode")
    evidence = shown(gpu, "persistence")
    if not mode:
        return warned(f"{gpu.label}: persistence mode is off.", subject=gpu.subject, seen="off", expected="on",
                      evidence=evidence)
    return passed(f"{gpu.label}: persistence mode is on.", subject=gpu.subject, seen="on", expected="on",
                  evidence=evidence)


CHECK = Check(
    title="Persistence mode",
    why="Without it every first look at the GPU waits seconds for its start, and settings like locked clocks are lost.",
    observe=observe,
    judge=judge,
    remedy=Remedy(steps=("As root: systemctl enable --now nvidia-persistenced",)),
)
