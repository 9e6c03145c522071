"""The power limit is the one the card was made for, and is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.check import Check, Outcome, not_applicable, passed, warned
from agent.model.finding import Remedy
from agent.model.gpu import NotSupported
from checks.gpu import each_gpu, observe, shown, unanswered

if TYPE_CHECKING:
    from agent.machine.gpu import Cards
    from agent.model.gpu import Gpu
    from agent.model.resolved import ResolvedProfile


LOW = 0.6  # share of the default limit; tuning for efficiency seldom goes below
OVER = 1.15  # share of the limit; the reading is an average and lags


def judge(seen: Cards, profile: ResolvedProfile) -> list[Outcome]:
    """Warn about a limit far below the default and about a draw far above the limit."""
    return each_gpu(seen, lambda gpu: [_judge(gpu)])


def _judge(gpu: Gpu) -> Outcome:
    draw, limit, default = (gpu.number(f"power_{name}mw") for name in ("", "limit_", "default_"))
    evidence = shown(gpu, "power_mw", "power_limit_mw", "power_default_mw", "power_constraints_mw")
    if isinstance(limit, NotSupported):
        now = f"; it draws {draw / 1000:.0f} W" if isinstance(draw, int) else ""
        return not_applicable(f"{gpu.label}: it has no power limit that could be set{now}.", subject=gpu.subject)
    if not isinstance(limit, int):
        return unanswered(gpu, limit, "power limit")
    if not isinstance(draw, int):
        return unanswered(gpu, draw, "power draw")
    told = f"{draw / 1000:.0f} W of {limit / 1000:.0f} W"
    if isinstance(default, int) and limit < LOW * default:
        return warned(f"{gpu.label}: limited to {limit / 1000:.0f} W, the card's own limit is {default / 1000:.0f} W.",
                      subject=gpu.subject, seen=f"{limit / 1000:.0f} W", expected=f"{default / 1000:.0f} W",
                      evidence=evidence)
    if draw > OVER * limit:
        return warned(f"{gpu.label}: draws {told}.", subject=gpu.subject, seen=f"{draw / 1000:.0f} W",
                      expected=f"at most {limit / 1000:.0f} W", evidence=evidence)
    lowered = f", lowered from {default / 1000:.0f} W" if isinstance(default, int) and limit < default else ""
    return passed(f"{gpu.label}: draws {told}{lowered}.", subject=gpu.subject, seen=f"{limit / 1000:.0f} W",
                  evidence=evidence)


CHECK = Check(
    title="Power limit",
    why="A limit that somebody left behind costs speed in every job and shows nowhere.",
    observe=observe,
    judge=judge,
    remedy=Remedy(steps=("As root: nvidia-smi -i INDEX -pl WATTS (the default is shown by nvidia-smi -q -d POWER).",)),
)
